-- Whether the call was answered from the cache (1), and what it would have cost without; NULL where
-- that is not known.
ALTER TABLE calls ADD COLUMN cached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN saved_pico_usd INTEGER;

-- How many calls were, what they would have cost, and for how many that is not known. No call of before
-- was: the sums stay as they are.
ALTER TABLE quarters ADD COLUMN cached_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters ADD COLUMN saved_pico_usd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters ADD COLUMN unknown_saved_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN cached_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN saved_pico_usd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN unknown_saved_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN cached_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN saved_pico_usd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN unknown_saved_calls INTEGER NOT NULL DEFAULT 0;
