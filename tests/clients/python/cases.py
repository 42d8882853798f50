"""One JSON line per case, on standard output: what the SDK made of the answer."""

import json
import os
import sys
import traceback
import warnings

# The simulator's models stay what they are when the real ones are retired.
warnings.filterwarnings("ignore", message="The model .* is deprecated")

# A control of the built-in simulator; any other provider ignores the header.
SIMULATE = "x-simulate"
CONTROLS = os.environ.get("TOLLGATE_TEST_CONTROLS")
HEADERS = {SIMULATE: CONTROLS} if CONTROLS else {}

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TIME = {
    "type": "object",
    "properties": {"zone": {"type": "string", "enum": ["Europe/Berlin", "Asia/Tokyo"]}},
    "required": ["zone"],
    "additionalProperties": False,
}


def plain(value):
    """The SDK's objects as JSON values, without what was not there."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    return value


def run(client, version, cases, wrong, describe_error):
    """Runs the cases named on the command line, or all but the wrong ones, which a gateway
    answers itself. Ends with 1 if one could not run."""
    wanted = sys.argv[1:] or list(cases)
    cases = cases | wrong
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        sys.exit(f"unknown cases: {', '.join(unknown)}; known: {', '.join(cases)}")
    failed = False
    for name in wanted:
        line = {"client": client, "version": version, "case": name, "pid": os.getpid()}
        try:
            line |= cases[name]() | {"error": None}
        except Exception as error:  # noqa: BLE001 - what is raised is the result
            described = describe_error(error)
            if described is None:
                failed = True
                traceback.print_exc()
                described = {}
            line |= {"error": type(error).__name__} | described
        print(json.dumps(line, ensure_ascii=False), flush=True)
    sys.exit(1 if failed else 0)
