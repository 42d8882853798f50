-- What guardrails found in calls. Never what was found itself: `snippet` has it masked, `fingerprint` is a
-- keyed hash of it.
CREATE TABLE guardrail_hits (
    hit_seq INTEGER PRIMARY KEY,
    call_seq INTEGER NOT NULL REFERENCES calls (seq) ON DELETE CASCADE,
    started_at_ms INTEGER NOT NULL,
    guardrail TEXT NOT NULL,
    rule TEXT NOT NULL,
    action TEXT NOT NULL,
    side TEXT NOT NULL,
    place TEXT NOT NULL,
    times INTEGER NOT NULL,
    snippet TEXT,
    fingerprint TEXT
) STRICT;

CREATE INDEX guardrail_hits_by_call ON guardrail_hits (call_seq);
