-- Kinds that have prices of their own: pictures are parts of the input and the output.
ALTER TABLE calls ADD COLUMN input_image_tokens INTEGER;
ALTER TABLE calls ADD COLUMN output_image_tokens INTEGER;
ALTER TABLE calls ADD COLUMN file_searches INTEGER;

-- Calls with a fee that their answer does not tell the amount of. No call of before has that reason.
ALTER TABLE quarters ADD COLUMN fee_not_told_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE days ADD COLUMN fee_not_told_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarters_of_all ADD COLUMN fee_not_told_calls INTEGER NOT NULL DEFAULT 0;
