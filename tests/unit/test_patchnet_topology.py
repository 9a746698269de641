"""Documents of SeismicPatchNet's family: counts, identity, columns, what is refused."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from geoml.errors import InputError
from geoml.search import job_id
from geoml.tasks.patchnet.topology import V1, V1_VALID, check, flat, layers, macs, parameters


def test_the_published_network_has_725697_parameters():
    assert parameters(V1) == 725_697


def test_blocks_have_the_parameters_of_the_method_card():
    counts = [
        sum(layer.parameters for layer in layers(V1) if layer.name.startswith(name)) for name in ("b3", "b4", "b5")
    ]
    assert counts == [98_859, 163_469, 258_997]


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("conv0", (56, 56, 137), 6_850),
        ("conv2", (28, 28, 144), 177_696),
        ("b3_c2_kx1", (14, 14, 16), 12_560),
        ("b4_c2_1x1", (14, 14, 382), 51_188),
        ("b4_p1_min", (14, 14, 21), 2_814),
        ("b5_c2_1xk", (7, 7, 116), 67_396),
        ("b5", (7, 7, 459), 0),
        ("logits", (1, 1, 2), 920),
    ],
)
def test_layers_are_those_of_the_method_cards_table(name: str, shape: tuple[int, ...], count: int):
    (layer,) = [layer for layer in layers(V1) if layer.name == name]
    assert (layer.shape_out, layer.parameters) == (shape, count)


def test_operations_are_those_of_the_method_card():
    assert round(macs(V1) / 1e6) == 239 and round(macs(V1, early=True) / 1e6) == 85
    assert macs(V1, 224) == pytest.approx(4 * macs(V1), rel=1e-4)


def test_units_join_in_the_published_order():
    (block,) = [layer for layer in layers(V1) if layer.name == "b3"]
    units = ("m", "c1_1xk", "c2_1xk", "p1_max", "p1_min", "p2_max", "p2_min")
    assert block.inputs == tuple(f"b3_{unit}" for unit in units)


def test_the_later_file_has_all_blocks_at_7():
    sides = {layer.name: layer.shape_out[0] for layer in layers(V1, early=True)}
    assert (sides["b3"], sides["b4"], sides["b5"], sides["pool3"]) == (7, 7, 7, 1) and "pool2" not in sides


def test_unpadded_layers_leave_what_the_largest_kernel_leaves():
    sides = {layer.name: layer.shape_out[0] for layer in layers(V1_VALID, padding="valid")}
    stem = ("conv0", "pool0", "conv1", "conv2", "pool1", "b3", "b4", "pool2", "b5", "pool3")
    assert [sides[name] for name in stem] == [53, 26, 26, 24, 12, 10, 8, 4, 2, 1]


def test_kernels_that_do_not_fit_without_padding_are_refused_with_their_block():
    with pytest.raises(InputError, match=r"b4: expected kernels of at most 6.*got 7"):
        layers(V1, padding="valid")
    with pytest.raises(InputError, match=r"pool0: expected kernels of at most 1.*got 3"):
        layers(V1_VALID, 8, padding="valid")


def test_another_padding_is_refused():
    with pytest.raises(InputError, match="padding: expected same or valid, got 'full'"):
        layers(V1, padding="full")


def test_a_job_keeps_its_id_for_ever():
    assert job_id(V1, 0) == "2769af6a2f59"


def test_ids_do_not_depend_on_the_order_of_keys_but_on_all_else():
    turned = {key: V1[key] for key in reversed(V1)}
    turned["blocks"] = [{key: block[key] for key in reversed(block)} for block in V1["blocks"]]
    assert job_id(json.loads(json.dumps(turned)), 0) == job_id(V1, 0)
    assert len({job_id(V1, 0), job_id(V1, 1), job_id(V1_VALID, 0), job_id(V1 | {"n0": 136}, 0)}) == 4


def test_a_document_is_flat_columns_for_the_table():
    columns = flat(V1)
    assert len(columns) == 3 + 3 * (10 + 5)
    assert (columns["n2"], columns["random_type"], columns["b3_w"], columns["b4_k2"]) == (144, True, 133, 7)
    assert [columns[f"b5_u{unit}"] for unit in range(5)] == [14, 25, 116, 214, 90]
    assert list(flat(V1_VALID)) == list(columns)


@pytest.mark.parametrize("document", [V1, V1_VALID, json.loads(json.dumps(V1))])
def test_documents_of_the_family_pass(document: dict[str, Any]):
    check(document, "somewhere")


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set ``n0`` of the document, or ``1.k2``: of a block."""

    def do(document: dict[str, Any]) -> None:
        block, _, key = path.rpartition(".")
        (document["blocks"][int(block)] if block else document)[key] = value

    return do


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("n0", 0), "n0: expected a whole number of at least 1, got 0"),
        (change("n2", 144.0), r"n2: expected a whole number of at least 1, got 144\.0"),
        (change("n2", True), "n2: expected a whole number of at least 1, got True"),
        (change("n1", 3), "n1: expected one of n0, n2, random_type, blocks, got an unknown key"),
        (lambda document: document.pop("n0"), "n0: expected a value, got nothing"),
        (change("random_type", 1), "random_type: expected true or false, got 1"),
        (change("random_type", False), r"blocks\[1\].k1: expected 3 as in blocks\[0\]"),
        (change("blocks", V1["blocks"][:2]), "blocks: expected a list of 3"),
        (lambda document: document["blocks"].append({}), "blocks: expected a list of 3"),
        (lambda document: document["blocks"].__setitem__(2, 5), r"blocks\[2\]: expected a mapping"),
        (lambda document: document["blocks"][2].pop("u"), r"blocks\[2\].u: expected a value, got nothing"),
        (change("0.stride", 2), r"blocks\[0\].stride: expected one of w, kM"),
        (change("0.r1", -4), r"blocks\[0\].r1: expected a whole number of at least 1, got -4"),
        (change("1.u", [75, 5, 7, 64]), r"blocks\[1\].u: expected 5 whole numbers of at least 2"),
        (change("1.u", [80, 5, 1, 41, 24]), r"blocks\[1\].u: expected 5 whole numbers of at least 2"),
        (change("1.w", 150), r"blocks\[1\].w: expected 151, which follows from u, got 150"),
        (change("0.a1", 11), r"blocks\[0\].a1: expected 12, which follows from u, got 11"),
        (change("2.a2", 44), r"blocks\[2\].a2: expected 45, which follows from u, got 44"),
        (change("2.k2", 3), r"blocks\[2\].k2: expected more than k1, which is 3, got 3"),
        (change("2.p1", 6), r"blocks\[2\].p2: expected more than p1, which is 6, got 5"),
    ],
)
def test_what_is_no_document_is_refused_by_field(edit: Callable[[dict[str, Any]], None], message: str):
    document = deepcopy(V1)
    edit(document)
    with pytest.raises(InputError, match=f"^candidate.json: {message}"):
        check(document, "candidate.json")


def test_a_list_is_no_document():
    with pytest.raises(InputError, match="candidate: expected a mapping with n0, n2, random_type, blocks"):
        check([V1], "candidate.json")
