CREATE TABLE answers (
    answer_id TEXT PRIMARY KEY,
    call_seq INTEGER NOT NULL REFERENCES calls (seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_by_call ON answers (call_seq);

CREATE TABLE bodies (
    call_seq INTEGER PRIMARY KEY REFERENCES calls (seq) ON DELETE CASCADE,
    stored_bytes INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    request_truncated INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    response_truncated INTEGER NOT NULL,
    response_content_encoding TEXT,
    request BLOB NOT NULL,
    response BLOB NOT NULL
) STRICT;

CREATE TABLE callers (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    started_at_ns INTEGER NOT NULL,
    program TEXT NOT NULL,
    exe TEXT,
    argv TEXT NOT NULL, -- JSON array
    cwd TEXT,
    uid INTEGER NOT NULL,
    user TEXT,
    ancestors TEXT NOT NULL, -- JSON array
    cgroup TEXT,
    project_name TEXT,
    project_root TEXT,
    source TEXT NOT NULL
) STRICT;

CREATE INDEX callers_by_process ON callers (pid, started_at_ns);

CREATE INDEX callers_by_program ON callers (program, id);

CREATE TABLE calls (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    started_at_ms INTEGER NOT NULL,
    caller_id INTEGER REFERENCES callers (id),
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    operation TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    streaming INTEGER NOT NULL,
    status INTEGER,
    outcome TEXT NOT NULL,
    error_code TEXT,
    error_message TEXT,
    stop_reason TEXT,
    input_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_5m_tokens INTEGER,
    cache_write_1h_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    input_audio_tokens INTEGER,
    output_audio_tokens INTEGER,
    web_searches INTEGER,
    cost_pico_usd INTEGER,
    cost_unknown TEXT,
    price_id TEXT,
    received_us INTEGER,
    connected_us INTEGER,
    connect_took_us INTEGER,
    headers_us INTEGER,
    first_byte_us INTEGER,
    first_token_us INTEGER,
    finished_us INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    client_cookie INTEGER, -- the 64 bits of an unsigned number
    upstream_cookie INTEGER
, service_tier TEXT, input_image_tokens INTEGER, output_image_tokens INTEGER, file_searches INTEGER, usage_counted INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0, saved_pico_usd INTEGER) STRICT;

CREATE INDEX calls_by_caller ON calls (caller_id);

CREATE INDEX calls_by_dimension ON calls (dimension_id, started_at_ms, id);

CREATE INDEX calls_by_time ON calls (started_at_ms, id);

CREATE INDEX calls_of_unknown_cost ON calls (cost_unknown, started_at_ms, id)
WHERE cost_pico_usd IS NULL AND cost_unknown IS NOT NULL;

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE days (
    began_at_ms INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
    unknown_usage_calls INTEGER NOT NULL,
    cost_pico_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL, fee_not_told_calls INTEGER NOT NULL DEFAULT 0, counted_calls INTEGER NOT NULL DEFAULT 0, estimated_pico_usd INTEGER NOT NULL DEFAULT 0, input_image_tokens INTEGER NOT NULL DEFAULT 0, output_image_tokens INTEGER NOT NULL DEFAULT 0, file_searches INTEGER NOT NULL DEFAULT 0, cached_calls INTEGER NOT NULL DEFAULT 0, saved_pico_usd INTEGER NOT NULL DEFAULT 0, unknown_saved_calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (began_at_ms, dimension_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE deleted_quarters (
    id INTEGER PRIMARY KEY,
    began_at_ms INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
    fee_not_told_calls INTEGER NOT NULL,
    unknown_usage_calls INTEGER NOT NULL,
    cost_pico_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    input_image_tokens INTEGER NOT NULL,
    output_image_tokens INTEGER NOT NULL,
    file_searches INTEGER NOT NULL,
    counted_calls INTEGER NOT NULL,
    estimated_pico_usd INTEGER NOT NULL,
    cached_calls INTEGER NOT NULL,
    saved_pico_usd INTEGER NOT NULL,
    unknown_saved_calls INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    UNIQUE (began_at_ms, dimension_id)
) STRICT;

CREATE TABLE dimensions (
    id INTEGER PRIMARY KEY,
    program TEXT,
    project_name TEXT,
    project_root TEXT,
    provider TEXT,
    model_asked TEXT,
    model_served TEXT,
    format TEXT,
    simulated INTEGER NOT NULL
, key TEXT) STRICT;

CREATE INDEX dimensions_by_program ON dimensions (program, model_asked);

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

CREATE TABLE quarters (
    began_at_ms INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
    unknown_usage_calls INTEGER NOT NULL,
    cost_pico_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL, fee_not_told_calls INTEGER NOT NULL DEFAULT 0, counted_calls INTEGER NOT NULL DEFAULT 0, estimated_pico_usd INTEGER NOT NULL DEFAULT 0, input_image_tokens INTEGER NOT NULL DEFAULT 0, output_image_tokens INTEGER NOT NULL DEFAULT 0, file_searches INTEGER NOT NULL DEFAULT 0, cached_calls INTEGER NOT NULL DEFAULT 0, saved_pico_usd INTEGER NOT NULL DEFAULT 0, unknown_saved_calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (began_at_ms, dimension_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarters_of_all (
    began_at_ms INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
    unknown_usage_calls INTEGER NOT NULL,
    cost_pico_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL, fee_not_told_calls INTEGER NOT NULL DEFAULT 0, counted_calls INTEGER NOT NULL DEFAULT 0, estimated_pico_usd INTEGER NOT NULL DEFAULT 0, input_image_tokens INTEGER NOT NULL DEFAULT 0, output_image_tokens INTEGER NOT NULL DEFAULT 0, file_searches INTEGER NOT NULL DEFAULT 0, cached_calls INTEGER NOT NULL DEFAULT 0, saved_pico_usd INTEGER NOT NULL DEFAULT 0, unknown_saved_calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (began_at_ms, simulated)
) STRICT, WITHOUT ROWID;

CREATE TABLE routings (
    call_seq INTEGER PRIMARY KEY REFERENCES calls (seq) ON DELETE CASCADE,
    routing TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE said USING fts5(
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE 'said_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'said_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'said_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);

CREATE TABLE 'said_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
