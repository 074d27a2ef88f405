"""The running service keeps to its own OpenAPI document, whatever is sent to it."""

import asyncio
import subprocess
import sys
from pathlib import Path

from house import TOKEN, House

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,missing_required_header,ignored_auth"
)
FUZZING_SECONDS = 15


async def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(house: House, tmp_path: Path) -> None:
    await house.ask()
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{house.api}/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--checks", CHECKS),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "15", "--seed", "1"),
        *(
            "--max-time",
            str(FUZZING_SECONDS),
            "--request-timeout",
            "70",
            "--no-shrink",
            "--suppress-health-check",
            "all",
        ),
        *("--warnings", "off"),
    ]
    log = tmp_path / "schemathesis.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path, start_new_session=True)
        try:
            code = await asyncio.to_thread(process.wait, 90)
        finally:
            process.kill()
            process.wait()
    text = log.read_text(errors="replace")
    assert code == 0, text[-8000:]
    assert "passed" in text, text[-3000:]
    assert not await house.rows("SELECT 1 FROM notifications WHERE outcome = 'parked'")
