-- Which call an answer of the Responses format belongs to: a client may go on from it by its id.
CREATE TABLE answers (
    answer_id TEXT PRIMARY KEY,
    call_seq INTEGER NOT NULL REFERENCES calls (seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_by_call ON answers (call_seq);
