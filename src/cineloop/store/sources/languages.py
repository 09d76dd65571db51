"""Names of languages, as lists of films write them, and their ISO 639-1 codes."""

from __future__ import annotations

CODES: dict[str, str] = {
    name: code
    for code, names in {
        "af": "Afrikaans",
        "am": "Amharic",
        "ar": "Arabic",
        "az": "Azerbaijani",
        "be": "Belarusian",
        "bg": "Bulgarian",
        "bn": "Bengali",
        "bs": "Bosnian",
        "ca": "Catalan",
        "cs": "Czech",
        "cy": "Welsh",
        "da": "Danish",
        "de": "German",
        "el": "Greek",
        "en": "English",
        "eo": "Esperanto",
        "es": "Spanish",
        "et": "Estonian",
        "eu": "Basque",
        "fa": "Persian|Farsi",
        "fi": "Finnish",
        "fr": "French",
        "ga": "Irish|Irish Gaelic",
        "gl": "Galician",
        "gu": "Gujarati",
        "he": "Hebrew",
        "hi": "Hindi",
        "hr": "Croatian",
        "hu": "Hungarian",
        "hy": "Armenian",
        "id": "Indonesian",
        "is": "Icelandic",
        "it": "Italian",
        "ja": "Japanese",
        "ka": "Georgian",
        "kk": "Kazakh",
        "km": "Khmer|Central Khmer",
        "kn": "Kannada",
        "ko": "Korean",
        "ku": "Kurdish",
        "la": "Latin",
        "lt": "Lithuanian",
        "lv": "Latvian",
        "mk": "Macedonian",
        "ml": "Malayalam",
        "mn": "Mongolian",
        "mr": "Marathi",
        "ms": "Malay",
        "my": "Burmese",
        "ne": "Nepali",
        "nl": "Dutch|Flemish",
        "no": "Norwegian",
        "pa": "Punjabi|Panjabi",
        "pl": "Polish",
        "ps": "Pashto",
        "pt": "Portuguese",
        "ro": "Romanian",
        "ru": "Russian",
        "sa": "Sanskrit",
        "sk": "Slovak",
        "sl": "Slovenian|Slovene",
        "sq": "Albanian",
        "sr": "Serbian",
        "sv": "Swedish",
        "sw": "Swahili",
        "ta": "Tamil",
        "te": "Telugu",
        "th": "Thai",
        "tl": "Tagalog|Filipino",
        "tr": "Turkish",
        "uk": "Ukrainian",
        "ur": "Urdu",
        "uz": "Uzbek",
        "vi": "Vietnamese",
        "wo": "Wolof",
        "xh": "Xhosa",
        "yi": "Yiddish",
        "zh": "Chinese|Mandarin|Mandarin Chinese|Cantonese|Standard Mandarin",
        "zu": "Zulu",
    }.items()
    for name in names.lower().split("|")
}
"""Name in lower case -> code."""


def language_code(name: str | None) -> str | None:
    """The code of a language's English name; None where it has none.

    >>> language_code("Mandarin"), language_code("Dolphin")
    ('zh', None)
    """
    return CODES.get(name.strip().lower()) if name else None
