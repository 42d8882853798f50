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

# A gateway that translates keeps that header to itself: it is then told by the model's name.
IN_MODEL = os.environ.get("TOLLGATE_TEST_CONTROLS_IN") == "model"

# The smallest picture: one transparent pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
FORECAST = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "array", "items": {"type": "integer"}},
        "sunny": {"type": "boolean"},
    },
    "required": ["city", "days", "sunny"],
    "additionalProperties": False,
}

# Ten megabytes and a bit, of which no two pieces are alike.
LARGE = "".join(f"{number:07d} naïve 東京\n" for number in range(440_000))
# How many streams are open at once, each of them begun before any is read to its end.
MANY = 200

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


def simulating(model, control):
    """The model's name and the headers that ask the simulator for a control."""
    if IN_MODEL:
        return "+".join([model, *control.split(",")]), None
    return model, {SIMULATE: control}


def all_at_once(stream):
    """Runs `stream`, a coroutine function that takes what to await after its first piece and gives
    the text it read, MANY times at once."""
    import asyncio

    async def run_all():
        barrier = asyncio.Barrier(MANY)
        return await asyncio.gather(*(stream(barrier.wait) for _ in range(MANY)))

    texts = asyncio.run(run_all())
    return {"streams": len(texts), "texts": sorted(set(texts))}


def plain(value):
    """The SDK's objects as JSON values, without what was not there."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    return value


def run(client, version, cases, by_name, describe_error):
    """Runs the cases named on the command line, or all but those that are asked for by name only.
    Ends with 1 if one could not run."""
    wanted = sys.argv[1:] or list(cases)
    cases = cases | by_name
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
