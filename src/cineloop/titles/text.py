"""Text as numbers: words, TF-IDF, latent themes, and the door for a sentence encoder.

TF-IDF as in Salton & Buckley, "Term-weighting approaches in automatic text retrieval" (1988): the logarithm of a
term's count times the logarithm of its rarity, rows of unit length. Themes are its truncated singular value
decomposition (Deerwester et al., "Indexing by latent semantic analysis", JASIS 1990).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import MissingExtra
from cineloop.lab.histories import Strings

Floats = NDArray[np.float64]

_WORD = re.compile(r"[^\W\d_]{3,}")
_FUNCTION_WORDS = """
    about above after again against all also although always and another any are around away back because
    been before begin begins behind being between both but can come comes could decide decides did does doing
    down during each early even ever every few find finds first for forced found from gets getting give goes
    going had has have having her here herself him himself his how however including into its itself just know
    known last later leave led less let like live lives living made make makes making many may meet meets might
    more most much must myself named near never new next not now off old once one only other others our out over
    own part people place put really same save see seem seems set several she should since small some someone
    soon start starts still story such take takes taken taking tell tells than that the their them then there
    these they thing things this those three through time together too toward towards tries true try trying turn
    turns two under until upon use used very want wants was way well were what when where which while who whom
    whose why will with within without world would year years yet you young your film movie
"""
_STOP = frozenset(_FUNCTION_WORDS.split())


def folded(text: str) -> str:
    """Lower case without accents; letters stay in their script, unlike a resolver's keys in `names.py`.

    >>> folded("Amélie Ünder")
    'amelie under'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))


def words(text: str | None) -> list[str]:
    """The words that carry a theme: three letters or more, no function words, plurals cut.

    The plural is cut by the three rules of Harman's s-stemmer ("How effective is suffixing?", JASIS 1991).

    >>> words("The boys' toys tell stories of two witches")
    ['boy', 'toy', 'story', 'witch']
    """
    return [_singular(w) for w in _WORD.findall(folded(text or "")) if w not in _STOP]


def _singular(word: str) -> str:
    if word.endswith("ies") and not word.endswith(("eies", "aies")) and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("us", "ss", "is")) and len(word) > 3:
        return word[:-1]
    return word


@dataclass(frozen=True)
class TfIdf:
    """Weights of terms: vocabulary (v,) sorted terms; rarity (v,) their idf, natural log, above 0."""

    vocabulary: Strings
    rarity: Floats

    @classmethod
    def fit(
        cls, bags: Sequence[Sequence[str]], *, least: int = 2, most: float = 0.5, terms: int = 30_000
    ) -> Self:
        """From bags of terms: those in `least` bags or more and in at most the share `most` of them, or in three.

        Of more than `terms` the commonest stay. Rarity is log((1 + n) / (1 + df)) + 1, which is never 0.

        >>> TfIdf.fit([["a", "b"], ["a"], ["b", "c"]], most=1.0).vocabulary.tolist()
        ['a', 'b']
        """
        found: Counter[str] = Counter()
        for bag in bags:
            found.update(set(bag))
        roof = max(most * len(bags), 3.0)
        kept = [(n, t) for t, n in found.items() if least <= n <= roof]
        kept = sorted(kept, key=lambda c: (-c[0], c[1]))[:terms]
        chosen = sorted((t, n) for n, t in kept)
        counts = np.array([n for _, n in chosen], dtype=np.float64)
        return cls(_strings([t for t, _ in chosen]), np.log((1 + len(bags)) / (1 + counts)) + 1)

    def transform(self, bags: Sequence[Sequence[str]]) -> sparse.csr_array:
        """(n, v) float32 rows of unit length; a bag of unknown terms is a row of zeros."""
        return self.weighted([{t: 1 + np.log(c) for t, c in Counter(bag).items()} for bag in bags])

    def weighted(self, bags: Sequence[dict[str, float]]) -> sparse.csr_array:
        """As `transform`, where each bag says how much a term counts in it, above 0."""
        column = {t: i for i, t in enumerate(self.vocabulary.tolist())}
        bounds, columns, values = [0], [], []
        for bag in bags:
            row = sorted((column[t], w) for t, w in bag.items() if t in column)
            columns += [c for c, _ in row]
            values += [w * self.rarity[c] for c, w in row]
            bounds.append(len(columns))
        made = sparse.csr_array(
            (
                np.array(values, np.float32),
                np.array(columns, np.int32),
                np.array(bounds, np.int32),
            ),
            shape=(len(bags), len(column)),
        )
        return unit_rows(made)


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same rows at length 1; rows of zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    made = sparse.csr_array(matrix, copy=True)
    made.data = (made.data * np.repeat(scale, np.diff(made.indptr))).astype(np.float32)
    return made


def unit(dense: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of a dense matrix at length 1; rows of zeros stay.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).round(2).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.sqrt((np.asarray(dense, np.float64) ** 2).sum(axis=1, keepdims=True))
    made = np.divide(dense, lengths, out=np.zeros(dense.shape), where=lengths > 0)
    return np.asarray(made, np.float32)


def truncated_svd(matrix: sparse.csr_array, dimensions: int) -> tuple[Floats, Floats]:
    """(values (d,), axes (d, v)) of the largest singular values, best first; d may be less than asked for.

    Lanczos from a fixed start, each axis turned so that its largest entry is positive: the same matrix gives
    the same axes.
    """
    from scipy.sparse.linalg import svds

    d = min(dimensions, min(matrix.shape) - 1)
    if d < 1 or matrix.nnz == 0:
        return np.zeros(0), np.zeros((0, matrix.shape[1]))
    start = np.full(min(matrix.shape), 1.0 / np.sqrt(min(matrix.shape)))
    _, values, axes = svds(matrix.astype(np.float64), k=d, v0=start)
    order = np.argsort(-values, kind="stable")
    values, axes = values[order], axes[order]
    kept = values > 1e-9 * values[0]
    values, axes = values[kept], axes[kept]
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return values, axes * np.where(largest < 0, -1.0, 1.0)[:, None]


class Encoder(Protocol):
    """Turns texts into vectors; `name` says which, and is kept with what is made from it."""

    @property
    def name(self) -> str:
        """What it is called where its vectors are kept."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) vectors; the same text gives the same vector."""
        ...


@dataclass(frozen=True)
class SentenceEncoder:
    """A sentence-transformers model from a folder of yours; the optional extra `text`."""

    folder: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"sentence-transformers {self.folder}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) vectors of unit length. MissingExtra without the extra `text`."""
        try:
            transformers = import_module("sentence_transformers")
        except ImportError:
            raise MissingExtra("sentence-transformers", extra="text", why="sentence vectors") from None
        made = transformers.SentenceTransformer(self.folder).encode(list(texts), normalize_embeddings=True)
        return np.asarray(made, dtype=np.float32)


def _strings(values: Sequence[str]) -> Strings:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made
