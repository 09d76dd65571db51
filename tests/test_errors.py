from cineloop.errors import InputError


def test_an_error_is_one_line_whatever_the_value_holds() -> None:
    said = str(InputError("bad", file="a.csv", line=3, field="x", value="a\nb" * 100, accepted="a\nword"))
    assert "\n" not in said and len(said) < 200
    assert said.startswith("a.csv:3: x ") and said.endswith("accepted: a word")
