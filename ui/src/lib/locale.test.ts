import { expect, it } from "vitest";
import { LOCALE, mendLanguage, readersLocale } from "./locale";

/** A navigator as browsers have it: its languages are getters of its prototype. */
function aNavigator(languages: string[]): Navigator {
  class Reader {
    get language() {
      return languages[0];
    }
    get languages() {
      return languages;
    }
  }
  return new Reader() as unknown as Navigator;
}

it.each([
  [["de-DE", "en"], "de-DE"],
  [["C", "fr"], "fr"],
  [["C"], "en-US"],
  [["en_US.UTF-8", "POSIX-", ""], "en-US"],
  [[], "en-US"],
])("of %j the locale is %s", (languages, locale) => {
  expect(readersLocale(aNavigator(languages))).toBe(locale);
});

it("mends a language that no formatter accepts", () => {
  const reader = aNavigator(["C"]);
  expect(() => new Intl.NumberFormat(reader.language)).toThrow(RangeError);
  mendLanguage(reader);
  expect(new Intl.NumberFormat(reader.language).format(1234)).toBe("1,234");
  expect(reader.languages).toEqual(["en-US"]);
});

it("leaves a good language alone", () => {
  const reader = aNavigator(["de-DE", "C"]);
  mendLanguage(reader);
  expect(reader.language).toBe("de-DE");
  expect(reader.languages).toEqual(["de-DE", "C"]);
});

it("speaks a language of its own that formatters accept", () => {
  expect(Intl.getCanonicalLocales(LOCALE)).toEqual([LOCALE]);
});
