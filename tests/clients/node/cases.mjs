// One JSON line per case, on standard output: what the SDK made of the answer.

// A control of the built-in simulator; any other provider ignores the header.
const SIMULATE = "x-simulate";
const controls = process.env.TOLLGATE_TEST_CONTROLS;
// A gateway that translates keeps that header to itself: it is then told by the model's name.
const inModel = process.env.TOLLGATE_TEST_CONTROLS_IN === "model";

export const HEADERS = controls ? { [SIMULATE]: controls } : {};

/** The model's name and the headers that ask the simulator for a control. */
export function simulating(model, control) {
  if (inModel) return [[model, ...control.split(",")].join("+"), undefined];
  return [model, { [SIMULATE]: control }];
}

export const QUESTION = "Say something – naïvely, in 東京. 🦀";

export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
export const TIME = {
  type: "object",
  properties: { zone: { type: "string", enum: ["Europe/Berlin", "Asia/Tokyo"] } },
  required: ["zone"],
  additionalProperties: false,
};
export const FORECAST = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "array", items: { type: "integer" } },
    sunny: { type: "boolean" },
  },
  required: ["city", "days", "sunny"],
  additionalProperties: false,
};

// The smallest picture: one transparent pixel.
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg" +
  "gg==";

/** Ten megabytes and a bit, of which no two pieces are alike. */
export function large() {
  const lines = Array.from({ length: 440_000 }, (_, number) => `${number}`.padStart(7, "0"));
  return lines.map((it) => `${it} naïve 東京\n`).join("");
}

export const byteLength = (text) => Buffer.byteLength(text);

// How many streams are open at once, each of them begun before any is read to its end.
const MANY = 200;

/** Runs `stream`, which takes what to await after its first piece and gives the text it read, MANY
 * times at once. */
export async function allAtOnce(stream) {
  let begun = 0;
  let release;
  const allBegun = new Promise((resolve) => {
    release = resolve;
  });
  const begin = () => {
    begun += 1;
    if (begun === MANY) release();
    return allBegun;
  };
  const texts = await Promise.all(Array.from({ length: MANY }, () => stream(begin)));
  return { streams: texts.length, texts: [...new Set(texts)].sort() };
}

/** Runs the cases named on the command line, or all but those that are asked for by name only. Ends
 * with 1 if one could not run. `describe` gives the fields of an error of the SDK's own. */
export async function run(about, cases, byName, describe) {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases);
  for (const name of wanted) {
    let line = { ...about, case: name, pid: process.pid };
    try {
      const one = { ...cases, ...byName }[name];
      if (!one) throw new RangeError(`unknown case ${name}`);
      line = { ...line, ...(await one()), error: null };
    } catch (error) {
      const described = describe(error);
      if (!described) {
        console.error(error);
        process.exitCode = 1;
      }
      line = { ...line, error: error.constructor.name, ...described };
    }
    console.log(JSON.stringify(line));
  }
}
