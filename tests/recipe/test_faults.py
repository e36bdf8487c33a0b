"""Every fault of a recipe, with its line, its path and what to do."""

from __future__ import annotations

import pytest

from ionflow.errors import PluginError, RecipeError
from ionflow.kinds import backend
from ionflow.plan import plan
from ionflow.recipe import read

ONE_FAULT = {
    "unknown field": (
        ("timestep_fs: 2", "timestep: 2"),
        "r.yaml:11: engine.timestep: unknown field of 'leap'. Did you mean 'timestep_fs'?",
    ),
    "wrong unit": (
        ("timestep_fs: 2", "timestep_ps: 2"),
        "r.yaml:11: engine.timestep_ps: unknown field of 'leap'. "
        "Did you mean 'timestep_fs'? It is in fs, not in ps",
    ),
    "field of a field": (
        ("use: leap", "use: leap\n  bath: {coupling_fs: 1}"),
        "r.yaml:11: engine.bath.coupling_fs: unknown field of 'bath'. "
        "Did you mean 'coupling_ps'? It is in ps, not in fs",
    ),
    "nothing like it": (
        ("X: Cl, ", "X: Cl, colour: 1, "),
        "r.yaml:7: structure.colour: unknown field of 'salt'. "
        "Known: A, X, atoms, density_g_cm3, label, radii",
    ),
    "no field at all": (
        ("[final]", "[{use: count, bins: 3}]"),
        "r.yaml:20: analyses.count.bins: unknown field of 'count'. It has none",
    ),
    "text for a number": (
        ("duration_ps: 1e-1", "duration_ps: long"),
        "r.yaml:17: protocol.hot.duration_ps: must be a number, not the text 'long'",
    ),
    "quoted number": (
        ("duration_ps: 1e-1", "duration_ps: '1'"),
        "r.yaml:17: protocol.hot.duration_ps: must be a number, not the text '1'",
    ),
    "unit in the value": (
        ("duration_ps: 1e-1", "duration_ps: 10 ps"),
        "r.yaml:17: protocol.hot.duration_ps: must be a number, not the text '10 ps'; "
        "write the number alone, the unit is in the field's name",
    ),
    "true for a number": (
        ("duration_ps: 1e-1", "duration_ps: true"),
        "r.yaml:17: protocol.hot.duration_ps: must be a number, not true",
    ),
    "number for text": (
        ("X: Cl, ", "X: 3, "),
        "r.yaml:7: structure.X: must be text, not 3; put it in quotes",
    ),
    "yes for true": (
        ("record: true", "record: yes"),
        "r.yaml:18: protocol.hot.record: must be true or false, not the text 'yes'",
    ),
    "part of an atom": (
        ("atoms: 8}", "atoms: 8.5}"),
        "r.yaml:7: structure.atoms: must be a whole number, not 8.5",
    ),
    "mapping for a table": (
        ("X: Cl, ", "X: Cl, radii: 3, "),
        "r.yaml:7: structure.radii: must be a mapping, not 3",
    ),
    "text in a table": (
        ("X: Cl, ", "X: Cl, radii: {Li: big}, "),
        "r.yaml:7: structure.radii: must be a number, not the text 'big'",
    ),
    "number or ramp": (
        ("[900, 300]", "warm"),
        "r.yaml:13: protocol.warm.temperature_K: must be a number or a list, not the text 'warm'",
    ),
    "long ramp": (
        ("[900, 300]", "[900, 300, 100]"),
        "r.yaml:13: protocol.warm.temperature_K: has too many values; at most 2",
    ),
    "short ramp": (
        ("[900, 300]", "[900]"),
        "r.yaml:13: protocol.warm.temperature_K: has too few values",
    ),
    "ramp below zero": (
        ("[900, 300]", "[900, -3]"),
        "r.yaml:13: protocol.warm.temperature_K.1: must be greater than 0 K, not -3",
    ),
    "out of range": (
        ("timestep_fs: 2", "timestep_fs: 1000"),
        "r.yaml:11: engine.timestep_fs: must be at most 20 fs, not 1000",
    ),
    "not an option": (
        ("ensemble: nvt\n", "ensemble: nvtt\n"),
        "r.yaml:15: protocol.hot.ensemble: must be 'nve', 'nvt' or 'npt', not the text 'nvtt'. "
        "Did you mean 'nvt'?",
    ),
    "fields that disagree": (
        ("{ensemble: nvt, temperature_K: [", "{ensemble: nve, temperature_K: ["),
        "r.yaml:13: protocol.warm: an nve stage cannot follow a temperature ramp; use nvt or npt",
    ),
    "a value that the scan replaces": (
        ("temperature_K: 400", "temperature_K: hot"),
        "r.yaml:16: protocol.hot.temperature_K: must be a number or a list, not the text 'hot'",
    ),
    "no mapping": (
        ("{use: springs}", "springs"),
        "r.yaml:8: potential: must be a mapping such as {use: NAME, ...}, not the text 'springs'",
    ),
    "empty part": (
        ("{use: springs}", ""),
        "r.yaml:8: potential: is empty; it takes a mapping such as {use: NAME, ...}",
    ),
    "missing part": (
        ("potential: {use: springs}\n", ""),
        "r.yaml:1: potential: is missing; a recipe needs it",
    ),
    "missing field": (
        (", duration_ps: 1}", "}"),
        "r.yaml:13: protocol.warm.duration_ps: is missing; a stage needs it: Simulated time.",
    ),
    "unknown key": (("seed: 7", "sede: 7"), "r.yaml:2: sede: unknown field of a recipe. "
                    "Did you mean 'seed'?"),
    "negative seed": (("seed: 7", "seed: -1"), "r.yaml:2: seed: must be at least 0, not -1"),
    "path as a name": (
        ("name: base", "name: ../base"),
        "r.yaml:1: name: '../base' is no legal name; use a-z, 0-9, _ and -, "
        "starting with a letter, at most 64 characters",
    ),
    "name of a stage": (
        ("  warm:", "  Warm up:"),
        "r.yaml:13: protocol.Warm up: is no legal name; use a-z, 0-9, _ and -, "
        "starting with a letter, at most 64 characters",
    ),
    "scan of an unknown field": (
        ("scan:\n", "scan:\n  structure.Q: [1, 2]\n"),
        "r.yaml:4: scan.structure.Q: unknown field of 'salt'. "
        "Known: A, X, atoms, density_g_cm3, label, radii",
    ),
    "scan of an unknown stage": (
        ("scan:\n", "scan:\n  protocol.hott.duration_ps: [1]\n"),
        "r.yaml:4: scan.protocol.hott.duration_ps: there is no such stage. "
        "Did you mean 'protocol.hot'?",
    ),
    "scan of a stage": (
        ("scan:\n", "scan:\n  protocol.hot: [1]\n"),
        "r.yaml:4: scan.protocol.hot: names a stage, not a field of it",
    ),
    "scan of an unknown part": (
        ("scan:\n", "scan:\n  strukture.A: [1]\n"),
        "r.yaml:4: scan.strukture.A: is not a path that a scan can vary: PART.FIELD or "
        "protocol.STAGE.FIELD. Did you mean 'structure'?",
    ),
    "two axes of one name": (
        ("scan:\n", "scan:\n  protocol.warm.temperature_K: [1]\n"),
        "r.yaml:6: scan.protocol.hot.temperature_K: this axis would be called 'temperature_K', "
        "and so is protocol.warm.temperature_K",
    ),
    "empty axis": (
        ("[500, 600.5]", "[]"),
        "r.yaml:5: scan.protocol.hot.temperature_K: has no values; an axis needs at least one",
    ),
    "axis of one": (
        ("[500, 600.5]", "500"),
        "r.yaml:5: scan.protocol.hot.temperature_K: must be a list of values, not 500",
    ),
    "value twice": (
        ("[500, 600.5]", "\n  - 500\n  - 500.0"),
        "r.yaml:7: scan.protocol.hot.temperature_K: the value 500.0 is there twice",
    ),
    "ramp as a coordinate": (
        ("[500, 600.5]", "[500, [600, 700]]"),
        "r.yaml:5: scan.protocol.hot.temperature_K: an axis takes names and numbers, not a list",
    ),
    "value out of range": (
        ("[500, 600.5]", "[500, -1]"),
        "r.yaml:5: scan.protocol.hot.temperature_K: must be greater than 0 K, not -1",
    ),
    "more cases than anyone wants": (
        ("[500, 600.5]", str(list(range(1, 9000)))),
        "r.yaml:3: scan: makes 35996 cases; at most 20000 are taken",
    ),
    "not neutral in the scan": (
        ("[Li, Na]", "\n  - Li\n  - Mg"),
        "r.yaml:6: scan.structure.A: with A=Mg: structure: MgCl is not charge neutral (+1 e)",
    ),
    "not neutral at all": (
        ("X: Cl", "X: O"),
        "r.yaml:7: structure: LiO is not charge neutral (-1 e)",
    ),
    "no such composition": (
        ("atoms: 8}", "atoms: 7}"),
        "r.yaml:7: structure: 7 atoms are not even. Take an even number",
    ),
    "circle": (
        ("[final]", "[chicken]"),
        "r.yaml:20: analyses.chicken: analysers need each other: chicken -> egg -> chicken",
    ),
    "need with required fields": (
        ("[final]", "[dainty]"),
        "r.yaml:20: analyses.dainty: 'dainty' needs 'picky', which does not run on its defaults; "
        "list it here with its fields",
    ),
    "analysis twice": (("[final]", "[final, final]"), "r.yaml:20: analyses.final: is there twice"),
    "analyses as text": (
        ("[final]", "final"),
        "r.yaml:20: analyses: must be a list such as [rdf, msd], not the text 'final'",
    ),
    "unknown cluster": (
        ("seed: 7", "cluster: {use: slurrm}"),
        "r.yaml:2: cluster.use: unknown cluster 'slurrm'. Known: local, address",
    ),
    "address": (
        ("seed: 7", "cluster: {use: address, address: here}"),
        "r.yaml:2: cluster.address: must be tcp://HOST:PORT or tls://HOST:PORT, not 'here'",
    ),
    "address of another machine": (
        ("seed: 7", 'cluster: {use: address, address: "tcp://10.0.0.1:8786"}'),
        "r.yaml:2: cluster: tcp://10.0.0.1:8786 is another machine, and tcp:// neither encrypts "
        "nor asks who connects; use tls:// with tls_ca_file, tls_cert and tls_key, or "
        "insecure: true",
    ),
    "port": (
        ("seed: 7", 'cluster: {use: address, address: "tcp://127.0.0.1:²"}'),
        "r.yaml:2: cluster.address: must be tcp://HOST:PORT or tls://HOST:PORT, "
        "not 'tcp://127.0.0.1:²'",
    ),
    "certificate": (
        ("seed: 7", 'cluster: {use: address, address: "tls://h:1", tls_cert: no.pem}'),
        "r.yaml:2: cluster.tls_cert: no such file: no.pem",
    ),
    "certificate alone": (
        ("seed: 7", 'cluster: {use: address, address: "tls://h:1", tls_cert: "/proc/version"}'),
        "r.yaml:2: cluster: tls_ca_file, tls_cert and tls_key go together, with a tls:// address",
    ),
    "field in a scale": (
        ("structure.atoms: 4", "structure.atom: 4"),
        "r.yaml:23: structure.atom: unknown field of 'salt'. Did you mean 'atoms'? "
        "(at scale 'small')",
    ),
    "scale sets what is scanned": (
        ("structure.atoms: 4", "structure.A: Na"),
        "r.yaml:23: structure.A: is an axis of the scan; set scan.structure.A instead "
        "(at scale 'small')",
    ),
    "scale of a scale": (
        ("structure.atoms: 4", "default_scale: all"),
        "r.yaml:23: scales.small.default_scale: is not a path that a scale can set "
        "(at scale 'small')",
    ),
    "no such default": (
        ("seed: 7", "default_scale: smal"),
        "r.yaml:2: default_scale: there is no scale 'smal'. Did you mean 'small'?",
    ),
    "duplicate key": (
        ("seed: 7", "seed: 7\nseed: 8"),
        "r.yaml:3: seed: the key 'seed' is there twice, first on line 2",
    ),
    "anchor": (
        ("seed: 7", "seed: &a 7"),
        "r.yaml:2: seed: anchors and aliases (a) are refused; write the value out",
    ),
    "alias": (
        ("seed: 7", "seed: *a"),
        "r.yaml:2: seed: anchors and aliases (a) are refused; write the value out",
    ),
    "tag": (
        ("seed: 7", "seed: !!python/object/apply:os.system [ls]"),
        "r.yaml:2: seed: tags are refused (tag:yaml.org,2002:python/object/apply:os.system); "
        "write the value alone",
    ),
    "merge": (
        ("engine:\n", "engine:\n  <<: {timestep_fs: 1}\n"),
        "r.yaml:10: engine: merge keys (<<) are refused; write the fields out",
    ),
    "list as a key": (
        ("engine:\n", "engine:\n  ? [a]\n  : 1\n"),
        "r.yaml:10: engine: a key must be a word, not a list",
    ),
    "infinite": (("seed: 7", "seed: .inf"), "r.yaml:2: seed: is not a finite number: .inf"),
    "beyond a double": (
        ("seed: 7", "seed: 1e999"),
        "r.yaml:2: seed: is not a finite number: 1e999",
    ),
    "beyond 64 bits": (
        ("seed: 7", f"seed: {2**63}"),
        "r.yaml:2: seed: is a whole number beyond 64 bits: 9223372036854775808",
    ),
    "five thousand digits": (
        ("seed: 7", f"seed: {'9' * 5000}"),
        f"r.yaml:2: seed: is a whole number beyond 64 bits: {'9' * 40}...",
    ),
    "escaped NUL": (
        ("seed: 7", 'title: "\\0"'),
        "r.yaml:2: title: has a control character (U+0000); a recipe is plain text",
    ),
    "half a character": (
        ("seed: 7", 'title: "\\ud800"'),
        "r.yaml:2: title: has a control character (U+D800); a recipe is plain text",
    ),
    "tab": (
        ("seed: 7", "\tseed: 7"),
        "r.yaml:2: is not valid YAML: there is a tab; indent with spaces",
    ),
    "two documents": (
        ("seed: 7", "seed: 7\n---\nx: 1"),
        "r.yaml:3: a second document begins; a recipe is one document",
    ),
    "deep": (("seed: 7", f"seed: {'[' * 40}{']' * 40}"), "r.yaml:2: is nested more than 16 deep"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_FAULT, ids=str)
def test_one_mistake_is_one_fault(kit, case):
    change, expected = ONE_FAULT[case]
    text = kit.edit(change)
    if change[0].startswith("[Li, Na]") or "X: " in change[0]:
        text = text.replace("    scan.structure.A: [Li]\n", "")
    assert kit.faults(text) == [expected]


def test_an_unknown_plugin_is_told_with_what_is_installed_and_what_failed(kit):
    (fault,) = kit.faults(kit.edit(("use: springs", "use: spring")))
    assert fault.startswith("r.yaml:8: potential.use: unknown potential 'spring'. "
                            "Did you mean 'springs'? Installed: ")  # fmt: skip
    assert "springs" in fault.partition("Installed:")[2]
    assert "Broken: ionflow_potentials() failed: ImportError: no module named 'warp'" in fault


def test_a_plugin_of_another_kind_is_named_as_such(kit):
    (fault,) = kit.faults(kit.edit(("use: springs", "use: count")))
    assert fault.startswith("r.yaml:8: potential.use: 'count' is an analyser, not a potential.")


def test_a_need_that_is_not_installed(kit):
    (fault,) = kit.faults(kit.edit(("[final]", "[lost]")))
    assert fault.startswith("r.yaml:20: analyses.lost: 'lost' needs 'nowhere': unknown analyser")


def test_a_scale_not_asked_for_may_name_plugins_of_other_machines(kit):
    text = kit.edit(("  all: {}", "  all: {potential: {use: absent}}"))
    assert kit.read(text).scale == ""
    (fault,) = kit.faults(text, scale="all")
    assert fault.startswith("r.yaml:25: potential.use: unknown potential 'absent'")


def test_all_faults_at_once_in_the_order_of_lines(kit):
    text = kit.edit(
        ("seed: 7", "seed: x"), ("[500, 600.5]", "[]"), ("timestep_fs", "timestep"),
        ("ensemble: nvt\n", "ensemble: nvtt\n"), ("[final]", "[chicken]"),
        ("structure.atoms: 4", "structure.atoms: -4"),
    )  # fmt: skip
    lines = [int(fault.split(":")[1]) for fault in kit.faults(text)]
    assert lines == [2, 5, 11, 15, 20, 23]


def test_a_fault_of_many_combinations_is_told_once(kit):
    text = kit.edit(
        ("scan:\n", "scan:\n  structure.X: [Cl, Br, O]\n"), ("[Li, Na]", "[Li, Mg]"),
        ("    scan.structure.A: [Li]\n", ""),
    )  # fmt: skip
    (fault,) = kit.faults(text)
    assert fault == (
        "r.yaml:5: scan.structure.A: with X=Cl, A=Mg: structure: MgCl is not charge neutral (+1 e) "
        "(and 2 more like it)"
    )


def test_a_composition_that_one_value_makes_impossible(kit):
    text = kit.edit(("scan:\n", "scan:\n  structure.atoms: [2, 3]\n"),
                    ("    structure.atoms: 4\n", ""))  # fmt: skip
    assert kit.faults(text) == [
        "r.yaml:4: scan.structure.atoms: with atoms=3: structure: 3 atoms are not even. "
        "Take an even number"
    ]


def test_an_unknown_element_of_the_structure(kit):
    text = kit.edit(("X: Cl, ", "A: Xe, X: Xe, "), ("  structure.A: [Li, Na]\n", ""),
                    ("    scan.structure.A: [Li]\n", ""))  # fmt: skip
    assert kit.faults(text) == [
        "r.yaml:6: structure.A: Xe is unknown to the potential 'springs'; "
        "it knows Br, Cl, Li, Mg, Na, No, O"
    ]


def test_an_unknown_element_is_told_at_the_value_of_the_scan(kit):
    text = kit.edit(("X: Cl", "X: Xe"), ("[Li, Na]", "[Xe]"), ("    scan.structure.A: [Li]\n", ""))
    (fault,) = kit.faults(text)
    assert fault.startswith("r.yaml:4: scan.structure.A: Xe is unknown to the potential 'springs'")


@pytest.mark.parametrize("when", ["validator", "composition"])
def test_a_plugin_with_a_fault_of_its_own_is_blamed(kit, when):
    text = kit.edit(("use: salt, X: Cl, atoms: 8", f"use: bomb, when: {when}"),
                    ("  structure.A: [Li, Na]\n", ""), ("    structure.atoms: 4\n", ""),
                    ("    scan.structure.A: [Li]\n", "    seed: 1\n"))  # fmt: skip
    (fault,) = kit.faults(text)
    assert fault == (
        f"r.yaml:6: structure: 'bomb' failed with KeyError: '{when}'; "
        "this is a fault of that plugin"
    )


def test_a_potential_that_cannot_say_its_elements_is_blamed(kit):
    (fault,) = kit.faults(kit.edit(("use: springs", "use: dud")))
    assert fault == (
        "r.yaml:7: structure: elements() of 'dud' failed with KeyError: 'elements'; "
        "this is a fault of that plugin"
    )


@pytest.mark.parametrize("method", ["content", "provenance"])
def test_a_plugin_that_cannot_say_what_it_is_is_blamed(kit, method):
    recipe = kit.read(kit.edit(("use: springs", f"use: dud, when: {method}")))
    case = recipe.cases[0]
    asked = {
        "content": lambda: plan(recipe),
        "provenance": lambda: backend(case.potential, case.engine),
    }
    with pytest.raises(PluginError) as error:
        asked[method]()
    assert str(error.value) == (
        f"'dud': {method}() failed with KeyError: '{method}'; this is a fault of that plugin"
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("structure.atom=4", "--set: structure.atom: unknown field of 'salt'. "
         "Did you mean 'atoms'?"),
        ("seed", "--set: 'seed' is not PATH=VALUE, such as seed=2"),
        ("=2", "--set: '=2' is not PATH=VALUE, such as seed=2"),
        ("seed=", "--set: seed: has no value; write null for none"),
        ("seed=x", "--set: seed: must be a whole number, not the text 'x'"),
        ("seed=*a", "--set: seed: anchors and aliases (a) are refused; write the value out"),
        ("structure.A=Li", "--set: structure.A: is an axis of the scan; "
         "set scan.structure.A instead"),
        ("seed.x=1", "--set: seed.x: seed has no fields"),
        ("scan.structure.A=[]", "--set: scan.structure.A: has no values; "
         "an axis needs at least one"),
        ("scales={}", "--set: 'scales={}' is not PATH=VALUE, such as seed=2"),
    ],
)  # fmt: skip
def test_faults_of_the_command_line_name_it(kit, override, expected):
    assert kit.faults(kit.base, overrides=[override]) == [expected]


def test_an_unknown_scale(kit):
    (fault,) = kit.faults(kit.base, scale="smol")
    assert fault == "--scale: there is no scale 'smol'. Did you mean 'small'?"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "r.yaml: is empty"),
        (b"# nothing\n", "r.yaml:2: is empty"),
        (b"- a\n- b\n", "r.yaml:1: a recipe is a mapping, not a list"),
        (b"name", "r.yaml:1: a recipe is a mapping, not the text 'name'"),
        (b"name: x\ntitle: \xff\n",
         "r.yaml:2: is not UTF-8 (byte 15 is 0xff); save it as UTF-8"),
        ("name: x\n".encode("utf-16"), "r.yaml:1: is not UTF-8 (byte 0 is 0xff); save it as UTF-8"),
        (b"name: x\n\n\x00\n",
         "r.yaml:3: has a control character (U+0000); a recipe is plain text"),
        (b"name: \x1b[2J\n", "r.yaml:1: has a control character (U+001B); a recipe is plain text"),
        (b"x" * 2_000_000, "r.yaml: is larger than 1000000 bytes; a recipe is a few kB"),
        (b"x:\n" + b"- 1\n" * 100_000, "r.yaml:19997: there are more than 20000 values"),
        (b"name: [1, 2\nseed: 3\n", "r.yaml:2: is not valid YAML: expected ',' or ']', "
         "but got ':'"),
        (b"name: a: b\n", "r.yaml:1: is not valid YAML: a second ':' on this line, or wrong "
         "indentation; quote the text"),
    ],
    ids=["empty", "comment", "list", "text", "latin", "utf-16", "nul", "escape", "2 MB", "long",
         "bracket", "colon"],
)  # fmt: skip
def test_a_file_that_is_no_recipe(kit, data, expected):
    assert kit.faults(data) == [expected]


def test_a_missing_file_and_a_folder(kit, tmp_path):
    assert kit.faults(tmp_path / "absent.yaml") == ["absent.yaml: no such file"]
    (tmp_path / "folder").mkdir()
    assert kit.faults(tmp_path / "folder") == ["folder: is a folder, not a recipe"]
    assert kit.faults(tmp_path / "a\0b") == ["a\ufffdb: cannot be read: embedded null byte"]


def test_faults_of_a_mapping_have_a_path_and_no_line(kit):
    mapping = kit.read(kit.base).resolved | {"seed": object(), "replicas": float("nan")}
    faults = kit.faults(mapping)
    assert any(f.startswith("recipe: seed: cannot stand in a recipe") for f in faults)
    assert "recipe: replicas: is not a finite number: nan" in faults


def test_messages_are_one_line_and_harmless_in_a_terminal(registry):
    recipe = {"name": "x\n\u202e" * 2000, "structure": 1, "potential": 1, "protocol": 1}
    with pytest.raises(RecipeError) as error:
        read(recipe, registry)
    for fault in error.value.faults:
        assert fault.message.isprintable()
        assert len(fault.message) < 700


@pytest.mark.parametrize("key", ["\\x01", "\\udc80", "a\\x7fb"])
def test_a_key_with_a_control_character_is_one_fault(kit, key):
    (fault,) = kit.faults(kit.edit(("{use: salt, ", f'{{"{key}": 1, use: salt, ')))
    assert "has a control character" in fault


@pytest.mark.parametrize("key", ["\x01", "\udc80", "a\nb", ""])
def test_a_key_of_a_mapping_of_pythons_is_a_word_too(kit, key):
    tree = kit.read(kit.base).resolved
    (fault,) = kit.faults({**tree, "structure": {**tree["structure"], key: 1}})
    assert fault.startswith("recipe: structure: a key must be a word, not the text ")
