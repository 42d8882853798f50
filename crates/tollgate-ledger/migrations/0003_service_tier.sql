-- At which of its tiers the provider says it served the call (`flex`, `priority`, …): it has prices
-- of its own.
ALTER TABLE calls ADD COLUMN service_tier TEXT;
