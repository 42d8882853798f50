-- How a call came to the provider that answered it, where there was something to decide: the targets
-- that were tried, and what could not be translated. JSON, because it is only ever read whole.
CREATE TABLE routings (
    call_seq INTEGER PRIMARY KEY REFERENCES calls (seq) ON DELETE CASCADE,
    routing TEXT NOT NULL
) STRICT;
