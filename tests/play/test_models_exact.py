"""The recommenders' numbers against independent implementations: dense NumPy and brute force."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from cineloop.lab.histories import Histories
from cineloop.play.models.als import ImplicitALS
from cineloop.play.models.ease import Ease
from cineloop.play.models.knn import ItemKNN
from cineloop.play.models.ranking import best

ML_1M = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "data"
    / "plays"
    / "ml-1m"
    / "ratings_reconstructed.parquet"
)


def names(prefix: str, n: int) -> NDArray[np.object_]:
    return np.array([f"{prefix}{i:05d}" for i in range(n)], dtype=object)


def log(members: int, titles: int, density: float, seed: int) -> sparse.csr_array:
    """Random confidences 0.5 to 2 with a popularity slope, so that columns differ."""
    rng = np.random.default_rng(seed)
    liked = rng.random((members, titles)) < density * 2 * np.linspace(1, 0.1, titles)
    return sparse.csr_array((liked * rng.uniform(0.5, 2, liked.shape)).astype(np.float32))


def histories(matrix: sparse.csr_array) -> Histories:
    n, m = matrix.shape
    matrix = matrix.copy()
    matrix.sort_indices()
    return Histories(
        names("u", n),
        names("t", m),
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32),
        np.zeros(matrix.nnz, np.int64),
    )


def ease_by_columns(x: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """Each column's ridge regression on the other columns, solved on its own."""
    m = x.shape[1]
    b = np.zeros((m, m))
    for j in range(m):
        others = np.delete(np.arange(m), j)
        a = x[:, others]
        b[others, j] = np.linalg.solve(a.T @ a + l2 * np.eye(m - 1), a.T @ x[:, j])
    return b


class TestEase:
    @pytest.mark.parametrize(("members", "titles", "l2"), [(60, 17, 3.0), (40, 90, 0.5), (3, 1, 1.0)])
    def test_equals_one_ridge_regression_a_column(self, members: int, titles: int, l2: float) -> None:
        x = log(members, titles, 0.2, 1)
        model = Ease(l2=l2).learn(x, names("t", titles))
        expected = ease_by_columns(x.toarray().astype(np.float64), l2)
        np.testing.assert_allclose(model.weights, expected, atol=1e-5)
        np.testing.assert_allclose(
            model.score(histories(x))[x.sum(1) > 0], (x @ expected)[x.sum(1) > 0], atol=1e-4
        )

    def test_equals_the_textbook_inverse_beyond_one_tile(self) -> None:
        x = log(700, 1200, 0.02, 2)
        gram = (x.T @ x).toarray().astype(np.float64) + 5.0 * np.eye(1200)
        p = np.linalg.inv(gram)
        expected = -p / np.diag(p)
        np.fill_diagonal(expected, 0.0)
        np.testing.assert_allclose(Ease(l2=5.0).learn(x, names("t", 1200)).weights, expected, atol=1e-6)

    def test_keeps_the_most_popular_titles(self) -> None:
        x = sparse.csr_array(np.array([[1, 1, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]], np.float32))
        model = Ease(most_titles=2).learn(x, names("t", 4))
        # counts 1, 2, 2, 3: the last and, of the two with 2, the smaller id
        assert model.titles.tolist() == ["t00001", "t00003"]
        np.testing.assert_array_equal(model.weights, Ease().learn(x[:, [1, 3]], names("t", 2)).weights)

    def test_near_is_the_partial_correlation(self) -> None:
        x = log(300, 12, 0.3, 3)
        p = np.linalg.inv((x.T @ x).toarray() + 2.0 * np.eye(12))
        partial = -p / np.sqrt(np.outer(np.diag(p), np.diag(p)))
        found = Ease(l2=2.0).learn(x, names("t", 12)).similar(["t00004"], 12)
        expected = [j for j in np.argsort(-partial[4]) if partial[4, j] > 0 and j != 4]
        assert found.items[0][found.items[0] >= 0].tolist() == expected
        np.testing.assert_allclose(found.scores[0][: len(expected)], partial[4][expected], atol=1e-5)

    def test_movielens_1m_scores(self) -> None:
        if not ML_1M.exists():
            pytest.skip(
                f"{ML_1M.name} of MovieLens 1M is not beside the repository (its licence keeps it out)"
            )
        rows = (
            pl.read_parquet(ML_1M).filter(pl.col("rating") >= 4).select("user", "movie").sort("user", "movie")
        )
        popular = rows["movie"].value_counts().sort(["count", "movie"], descending=True)["movie"][:800].sort()
        rows = rows.filter(pl.col("movie").is_in(popular.implode()))
        column = np.searchsorted(popular.to_numpy(), rows["movie"].to_numpy())
        whole = sparse.csr_array(
            (np.ones(len(rows), np.float32), (rows["user"].to_numpy().astype(int) - 1, column)),
            shape=(6040, 800),
        )
        x, held_out = whole[:5000], whole[5000:]
        p = np.linalg.inv((x.T @ x).toarray().astype(np.float64) + 500.0 * np.eye(800))
        b = -p / np.diag(p)
        np.fill_diagonal(b, 0.0)
        scores = Ease(l2=500.0).learn(x, names("t", 800)).score(histories(held_out))
        warm = np.diff(held_out.indptr) > 0
        np.testing.assert_allclose(scores[warm], (held_out @ b)[warm], atol=1e-4)


def knn_by_hand(x: NDArray[np.float64], recipe: ItemKNN) -> NDArray[np.float64]:
    together, length = x.T @ x, (x**2).sum(0)
    m, a = len(length), recipe.asymmetry
    weights = np.zeros((m, m))
    for j in range(m):
        near = []
        for h in range(m):
            if h != j and together[h, j] > 0:
                near.append((together[h, j] / (length[h] ** a * length[j] ** (1 - a) + recipe.shrinkage), h))
        for value, h in sorted(near, key=lambda pair: (-pair[0], pair[1]))[: recipe.neighbours]:
            weights[h, j] = value
    return weights


class TestKNN:
    @pytest.mark.parametrize(
        "recipe",
        [
            ItemKNN(),
            ItemKNN(neighbours=3, shrinkage=0.0, asymmetry=0.5),
            ItemKNN(neighbours=5, asymmetry=1.0),
        ],
    )
    def test_equals_brute_force(self, recipe: ItemKNN) -> None:
        x = log(80, 25, 0.15, 4)
        model = recipe.learn(x, names("t", 25))
        expected = knn_by_hand(x.toarray().astype(np.float64), recipe)
        np.testing.assert_allclose(model.weights.toarray(), expected, atol=1e-6)
        warm = np.diff(x.indptr) > 0
        np.testing.assert_allclose(model.score(histories(x))[warm], (x @ expected)[warm], atol=1e-5)

    @pytest.mark.parametrize("confidence", [1.0, 0.5])
    def test_equals_brute_force_where_all_confidences_are_alike(self, confidence: float) -> None:
        x = (log(80, 25, 0.15, 11) > 0).astype(np.float32) * np.float32(confidence)
        recipe = ItemKNN(neighbours=4, shrinkage=2.0)
        expected = knn_by_hand(x.toarray().astype(np.float64), recipe)
        np.testing.assert_allclose(recipe.learn(x, names("t", 25)).weights.toarray(), expected, atol=1e-6)

    def test_similar_titles_are_the_neighbours(self) -> None:
        x = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], np.float32))
        found = ItemKNN(shrinkage=0.0, asymmetry=0.5).learn(x, names("t", 4)).similar(["t00000", "t00003"], 3)
        # cosines by hand: t0 and t1 share 2 of 2 and 3 members, t0 and t2 share 1 of 2 and 2; t3 stands alone
        assert found.row(0) == [("t00001", pytest.approx(2 / np.sqrt(6))), ("t00002", pytest.approx(0.5))]
        assert found.row(1) == []


def objective(
    x: NDArray[np.float64], u: NDArray[np.float32], v: NDArray[np.float32], recipe: ImplicitALS
) -> float:
    """The loss of Rendle et al. 2022, equation by equation, on dense arrays."""
    s = u.astype(np.float64) @ v.T.astype(np.float64)
    n, m = x.shape
    a, nu = recipe.unobserved, recipe.frequency_exponent
    ridge_u = ((x > 0).sum(1) + a * m) ** nu
    ridge_v = ((x > 0).sum(0) + a * n) ** nu
    ridge = recipe.regularisation * ((ridge_u * (u**2).sum(1)).sum() + (ridge_v * (v**2).sum(1)).sum())
    return float((x * (1 - s) ** 2).sum() + a * (s**2).sum() + ridge)


def dense_solve(x: NDArray[np.float64], v: NDArray[np.float64], recipe: ImplicitALS) -> NDArray[np.float64]:
    m, f = v.shape
    found = np.zeros((len(x), f))
    for i, c in enumerate(x):
        ridge = recipe.regularisation * ((c > 0).sum() + recipe.unobserved * m) ** recipe.frequency_exponent
        a = recipe.unobserved * v.T @ v + v.T @ (c[:, None] * v) + ridge * np.eye(f)
        found[i] = np.linalg.solve(a, v.T @ c)
    return found


class TestALS:
    recipe = ImplicitALS(factors=6, iterations=30, unobserved=0.3, regularisation=0.05)

    def test_the_objective_falls_every_iteration(self) -> None:
        x = log(90, 40, 0.15, 5)
        dense = x.toarray().astype(np.float64)
        values = [objective(dense, u, v, self.recipe) for u, v in self.recipe.train(x, 0)]
        assert all(after <= before * (1 + 1e-6) for before, after in pairwise(values))
        assert values[-1] < 0.9 * dense.sum()  # all-zero vectors lose the sum of the confidences

    def test_at_rest_both_sides_solve_their_regressions(self) -> None:
        x = log(90, 40, 0.15, 6)
        dense = x.toarray().astype(np.float64)
        recipe = ImplicitALS(factors=4, iterations=600, unobserved=0.3, regularisation=0.05)
        *_, (u, v) = recipe.train(x, 1)
        np.testing.assert_allclose(u, dense_solve(dense, v.astype(np.float64), recipe), atol=2e-4)
        np.testing.assert_allclose(v, dense_solve(dense.T, u.astype(np.float64), recipe), atol=2e-4)

    def test_folding_in_equals_a_dense_solve(self) -> None:
        x = log(120, 50, 0.2, 7)
        model = self.recipe.learn(x, names("t", 50), 0)
        fresh = log(30, 50, 0.1, 8)
        warm = np.diff(fresh.indptr) > 0
        v = model.factors.astype(np.float64)
        expected = dense_solve(fresh.toarray().astype(np.float64), v, self.recipe) @ v.T
        np.testing.assert_allclose(model.score(histories(fresh))[warm], expected[warm], atol=1e-5)

    def test_similar_titles_by_cosine(self) -> None:
        model = self.recipe.learn(log(120, 50, 0.2, 7), names("t", 50), 0)
        unit = model.factors / np.linalg.norm(model.factors, axis=1, keepdims=True)
        cosine = unit @ unit[3]
        cosine[3] = -np.inf
        assert (
            model.similar(["t00003"], 5).items[0].tolist() == np.argsort(-cosine, kind="stable")[:5].tolist()
        )

    def test_seeds_matter_and_repeat(self) -> None:
        x = log(60, 30, 0.2, 9)
        one, same, other = (self.recipe.learn(x, names("t", 30), seed).factors for seed in (1, 1, 2))
        assert one.tobytes() == same.tobytes()
        assert one.tobytes() != other.tobytes()


def test_the_number_of_threads_changes_nothing() -> None:
    x = log(4000, 300, 0.1, 10)
    titles, asked = names("t", 300), histories(x)
    for recipe in (ItemKNN(), ImplicitALS(factors=32, iterations=2)):
        found = []
        for threads in (1, 2):
            with threadpool_limits(threads):
                model = recipe.learn(x, titles, *([3] if isinstance(recipe, ImplicitALS) else []))
                lists = model.recommend(asked, 20)
            found.append(
                (lists.items.tobytes(), lists.scores.tobytes(), model.similar(list(titles), 9).frame())
            )
        assert found[0][:2] == found[1][:2]
        assert found[0][2].equals(found[1][2])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    members=st.integers(2, 40),
    titles=st.integers(1, 30),
    density=st.floats(0.02, 0.4),
)
def test_contributions_sum_to_the_scores(seed: int, members: int, titles: int, density: float) -> None:
    x = log(members, titles, density, seed)
    asked = histories(x)
    for model in (
        Ease(l2=4.0).learn(x, names("t", titles)),
        ItemKNN(neighbours=7).learn(x, names("t", titles)),
        ImplicitALS(factors=5, iterations=3).learn(x, names("t", titles), seed),
    ):
        scores = model.score(asked)
        items = np.tile(np.arange(titles, dtype=np.int32), (members, 1))
        for i, reasons in enumerate(model.contributions(asked, items)):
            history = {f"t{t:05d}" for t in x.indices[x.indptr[i] : x.indptr[i + 1]]}
            for j, added in enumerate(reasons):
                assert set(added) == history
                if history:
                    assert sum(added.values()) == pytest.approx(scores[i, j], abs=2e-4, rel=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(0, 9), st.integers(0, 90)),
        elements=st.sampled_from([-np.inf, -2.0, -0.5, 0.0, 0.25, 1.0, 3.0]),
    ),
    st.integers(0, 100),
)
def test_top_k_equals_a_sort_with_ties_by_column(scores: NDArray[np.float32], k: int) -> None:
    n, m = scores.shape
    found = best(names("u", n), names("t", m), k, lambda a, b: scores[a:b])
    for i in range(n):
        order = [j for j in np.lexsort((np.arange(m), -scores[i])) if np.isfinite(scores[i, j])][:k]
        assert found.items[i].tolist() == order + [-1] * (k - len(order))
        assert found.scores[i][: len(order)].tolist() == scores[i][order].tolist()


def test_top_k_of_long_rows() -> None:
    scores = np.random.default_rng(0).standard_normal((40, 70_000)).astype(np.float32)  # several blocks
    found = best(names("u", 40), names("t", 70_000), 100, lambda a, b: scores[a:b])
    np.testing.assert_array_equal(found.items, np.argsort(-scores, axis=1, kind="stable")[:, :100])
