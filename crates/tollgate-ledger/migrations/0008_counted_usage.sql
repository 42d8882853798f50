-- Whether the gateway counted the tokens itself (1) because the provider told none (0): then they
-- are an estimate, and so is the cost.
ALTER TABLE calls ADD COLUMN usage_counted INTEGER NOT NULL DEFAULT 0;

-- How many calls' tokens are such estimates, and what part of the cost.
ALTER TABLE quarters ADD COLUMN counted_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters ADD COLUMN estimated_pico_usd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN counted_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN estimated_pico_usd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN counted_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN estimated_pico_usd INTEGER NOT NULL DEFAULT 0;

-- Kinds that calls have had and sums did not.
ALTER TABLE quarters ADD COLUMN input_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters ADD COLUMN output_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters ADD COLUMN file_searches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN input_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN output_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN file_searches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN input_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN output_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN file_searches INTEGER NOT NULL DEFAULT 0;

-- The sums of before lack them: they are built anew, unless no call has any.
UPDATE counters
SET value = max(value, EXISTS (
    SELECT * FROM calls
    WHERE input_image_tokens > 0 OR output_image_tokens > 0 OR file_searches > 0
))
WHERE name = 'sums_are_stale';
