"""Bodies against what went in: order, orientation, the identity of what did not run, and texts of the metadata."""

from __future__ import annotations

import json
import math
import unittest
from dataclasses import replace
from typing import Any, Optional

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gainwatch.wire.body import Encoding, common_streams, encode
from gainwatch.wire.record import Listing, StepRecord

from ..support import Body, Noted, listed, parse, record_of


class Flipping:
    """A self-check that finds all applied transposed to how it is read. Notes what it sees."""

    def __init__(self, flip: bool = True) -> None:
        self.flip = flip
        self.seen: list[Any] = []

    def asks(self, record: StepRecord) -> bool:
        return True

    def look(self, record: StepRecord, mappings: Any) -> None:
        for connection in record.listing.connections:
            connection.transposed = connection.transposed != self.flip
        self.seen.append([None if m is None else m.clone().numpy() for m in mappings])


@st.composite
def steps(draw: st.DrawFn) -> tuple[Listing, list[int], list[Any]]:
    """A listing of one n, the places that ran, and their matrices as stored."""
    n, tokens, length = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 8))
    listing = Listing(
        tuple(listed(f"layer{i}", n, transposed=draw(st.booleans())) for i in range(length))
    )
    present = sorted(draw(st.sets(st.integers(0, length - 1), min_size=1)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    return listing, present, [rng.normal(size=(tokens, n, n)).astype(np.float32) for _ in present]


class Bodies(unittest.TestCase):
    def setUp(self) -> None:
        self.noted = Noted()

    def body(self, record: StepRecord, **more: Any) -> Body:
        data = encode(record, Encoding(self.noted, **more))
        assert data is not None
        return parse(data)

    @given(steps(), st.booleans())
    def test_each_is_there_as_h_and_what_did_not_run_is_the_identity(
        self, step: tuple[Listing, list[int], list[Any]], flip: bool
    ) -> None:
        listing, present, matrices = step
        check = Flipping(flip)
        body = self.body(record_of(7, matrices, listing, present), check=check)
        names = [connection.name for connection in listing.connections]
        self.assertEqual(
            (body.step, body.order, set(body.tensors)), (7, names, {*names, "@memory"})
        )
        for place, connection in enumerate(listing.connections):
            n, sent = connection.n, body.tensors[connection.name]
            if place not in present:
                np.testing.assert_array_equal(sent, np.eye(n))
                continue
            stored = matrices[present.index(place)]
            np.testing.assert_array_equal(
                sent, stored.transpose(0, 2, 1) if connection.transposed else stored
            )
        for matrix, seen in zip(matrices, check.seen[0]):
            np.testing.assert_array_equal(seen, matrix)
        self.assertEqual(self.noted.lines, [])

    @given(steps(), st.data())
    def test_what_no_graph_has_written_did_not_run(
        self, step: tuple[Listing, list[int], list[Any]], data: st.DataObject
    ) -> None:
        listing, present, matrices = step
        counts = {
            i: data.draw(st.integers(0, 2)) for i in range(len(present)) if data.draw(st.booleans())
        }
        ran = [place for i, place in enumerate(present) if counts.get(i, 1) > 0]
        data_sent = encode(
            record_of(1, matrices, listing, present, counts=counts), Encoding(self.noted)
        )
        if not ran:
            self.assertIsNone(data_sent)
            return
        body = parse(data_sent or b"")
        for place, connection in enumerate(listing.connections):
            shape = matrices[0].shape if place in ran else matrices[0].shape[1:]
            self.assertEqual(body.tensors[connection.name].shape, shape)

    def test_what_holds_for_all_tokens_is_one_matrix(self) -> None:
        body = self.body(record_of(1, [np.ones((3, 2, 2)), np.full((1, 2, 2), 0.5)]))
        self.assertEqual([body.tensors[name].shape for name in body.order], [(3, 2, 2), (2, 2)])
        body = self.body(record_of(1, [np.ones((1, 2, 2)), np.ones((1, 2, 2))], tokens=(4,)))
        self.assertEqual([body.tensors[name].shape for name in body.order], [(1, 2, 2)] * 2)

    def test_different_numbers_of_tokens_are_cut_to_the_smallest_and_said_once(self) -> None:
        given_ = [np.arange(12).reshape(3, 2, 2), np.ones((5, 2, 2)), np.ones((1, 2, 2))]
        encoding = Encoding(self.noted)
        for step in (1, 2):
            body = parse(encode(record_of(step, given_, tokens=(1, 2, 3, 4, 5)), encoding) or b"")
            self.assertEqual(
                [body.tensors[name].shape for name in body.order], [(3, 2, 2), (3, 2, 2), (2, 2)]
            )
            self.assertEqual(body.listed("tokens"), [1, 2, 3])
        self.assertEqual(
            self.noted.lines,
            ["connections were sampled at [3, 5] tokens: the first 3 of each are sent"],
        )

    def test_connections_of_another_n_are_left_out_and_said_once_for_all_steps_alike(self) -> None:
        connections = (listed("a", 2), listed("b", 3), listed("c", 3), listed("d", 1))
        encoding, matrices = Encoding(self.noted), [np.ones((2, n, n)) for n in (2, 3, 3, 1)]
        body = parse(encode(record_of(1, matrices, Listing(connections)), encoding) or b"")
        self.assertEqual((body.order, set(body.tensors)), (["b", "c"], {"b", "c", "@memory"}))
        grown = Listing((*connections, listed("e", 2), listed("f", 2)))
        body = parse(encode(record_of(2, matrices, grown, (0, 1, 2, 3)), encoding) or b"")
        self.assertEqual(body.order, ["b", "c"])
        self.assertEqual(
            self.noted.lines,
            ["a run has one number of streams, here 3: a and 1 more with another is left out"],
        )
        self.assertIsNone(encode(record_of(3, matrices[:1], grown, (0,)), encoding))
        self.assertEqual([common_streams(grown.connections), common_streams(())], [2, 1])

    def test_a_model_whose_connections_are_all_the_identity_is_sent(self) -> None:
        body = self.body(record_of(1, [], Listing((listed("a", 3), listed("b", 3))), ()))
        for name in ("a", "b"):
            np.testing.assert_array_equal(body.tensors[name], np.eye(3))

    def test_a_baseline_without_connections_is_sent(self) -> None:
        body = self.body(record_of(3, scalars={"loss": 2.5}, late={"gradient_norm": 0.5}))
        self.assertEqual((body.order, body.tensors), ([], {}))
        self.assertEqual([body.metadata[key] for key in ("loss", "gradient_norm")], ["2.5", "0.5"])

    def test_metadata_is_as_the_api_has_it(self) -> None:
        connections = (
            listed("a", 2, kind="mhc", bounded="doubly", convention="paper", parameter_bytes=64.0),
            listed("b", 2, kind="own", bounded=None, convention=None),
        )
        record = record_of(
            5,
            [np.ones((2, 2, 2))] * 2,
            Listing(connections),
            late={"loss": 0.25},
            scalars={"learning_rate": 1e-5},
            tokens=(3, 9),
            memory={"allocated": 1024},
        )
        body = self.body(
            record,
            fields=lambda: {
                "rank": 1,
                "world_size": 2,
                "overhead_seconds": 0.5,
                "errors": 0,
                "replica": None,
            },
        )
        self.assertEqual(
            body.metadata,
            {
                "version": "1", "step": "5", "attempt": "a", "time": "1700000000000", "step_seconds": "0.05", "orientation": "H",
                "rank": "1", "world_size": "2", "overhead_seconds": "0.5", "errors": "0", "loss": "0.25", "learning_rate": "1e-05",
                "order": '["a","b"]', "kinds": '["mhc","own"]', "conventions": '["paper",null]', "bounded": '["doubly",null]',
                "tokens": "[3,9]", "memory": '{"allocated":1024}',
            },
        )  # fmt: skip
        np.testing.assert_array_equal(
            body.tensors["@memory"], [[64.0, math.nan]] + [[math.nan] * 2] * 4
        )

    def test_numbers_that_json_has_not_are_texts_and_what_is_no_number_is_left_out_and_said_once(
        self,
    ) -> None:
        scalars: dict[str, Any] = {
            "loss": math.nan,
            "gradient_norm": math.inf,
            "learning_rate": {"a": 1},
        }
        encoding = Encoding(
            self.noted,
            fields=lambda: {
                "overhead_seconds": -math.inf,
                "errors": True,
            },
        )
        for step in (1, 2):
            record = record_of(
                step,
                [np.ones((1, 2, 2))],
                scalars=scalars,
                memory={"a": math.nan, "b": -1, "c": 2.5, "d": "x"},
            )
            metadata = parse(encode(record, encoding) or b"").metadata
            self.assertEqual(
                (metadata["loss"], metadata["gradient_norm"], metadata["overhead_seconds"]),
                ("NaN", "Infinity", "-Infinity"),
            )
            self.assertEqual({"learning_rate", "errors"} & set(metadata), set())
            self.assertEqual(json.loads(metadata["memory"]), {"c": 2.5})
        self.assertEqual(
            self.noted.lines,
            [
                f"{what}: must be a number (given {of}), and is left out"
                for what, of in (("errors", "bool"), ("learning_rate", "dict"))
            ],
        )

    @given(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.complex_numbers(),
            st.lists(st.integers()),
        )
    )
    def test_any_value_is_a_text_of_a_number_or_not_there(self, value: Any) -> None:
        scalars: Any = {"loss": value}
        text: Optional[str] = self.body(record_of(1, scalars=scalars)).metadata.get("loss")
        if isinstance(value, str):
            self.assertEqual(text, value)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            self.assertIsNone(text)
        else:
            found = json.loads(text or "")
            self.assertTrue(found == value or (found != found and value != value))

    def test_numbers_of_numpy_are_numbers(self) -> None:
        scalars: Any = {
            "loss": np.float32(0.5),
            "gradient_norm": np.float64(2),
            "learning_rate": np.int64(3),
        }
        metadata = self.body(record_of(1, scalars=scalars)).metadata
        self.assertEqual([metadata[key] for key in scalars], ["0.5", "2.0", "3"])

    def test_what_the_self_check_mends_is_in_the_same_body(self) -> None:
        class Mending(Flipping):
            def look(self, record: StepRecord, mappings: Any) -> None:
                record.listing.connections[0].kind, record.listing.connections[0].bounded = (
                    "hc",
                    None,
                )

        listing = Listing((replace(listed("a", 2)),))
        body = self.body(record_of(1, [np.ones((1, 2, 2))], listing), check=Mending(False))
        self.assertEqual((body.listed("kinds"), body.listed("bounded")), (["hc"], [None]))
