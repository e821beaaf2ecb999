"""The generated code is what protoc makes of ``core.proto`` today."""

from pathlib import Path

import pytest
from grpc_tools import protoc

SOURCE = Path("src/veilbot_adapters/vpn/proto/core.proto")


@pytest.mark.parametrize("suffix", ["py", "pyi"])
def test_the_generated_code_is_current(tmp_path: Path, suffix: str) -> None:
    root = Path(__file__).parents[3]
    options = [f"--proto_path={root / 'src'}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    assert protoc.main(["protoc", *options, str(root / SOURCE)]) == 0
    name = SOURCE.relative_to("src").with_name(f"core_pb2.{suffix}")
    made, kept = tmp_path / name, root / "src" / name
    assert made.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), "run: nox -s proto"
