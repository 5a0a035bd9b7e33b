-- Cases that people work on: reviews of access, reports, choices to process, disclosures, extracts.
-- `about` names what a case is about besides the person (a user's id …); `detail` is JSON.
-- Times are microseconds since 1970 UTC.
CREATE TABLE casework (
  number     INTEGER PRIMARY KEY,
  reference  TEXT    NOT NULL UNIQUE,
  kind       TEXT    NOT NULL,
  person     INTEGER,
  about      TEXT    NOT NULL,
  opened_at  INTEGER NOT NULL,
  due_at     INTEGER,
  changed_at INTEGER NOT NULL,
  owner      TEXT    NOT NULL,
  state      TEXT    NOT NULL,
  closed     INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  detail     BLOB    NOT NULL
) STRICT;
CREATE INDEX casework_open ON casework (kind, opened_at) WHERE closed = 0;
CREATE INDEX casework_kind ON casework (kind, opened_at);
CREATE INDEX casework_person ON casework (person) WHERE person IS NOT NULL;
CREATE INDEX casework_about ON casework (about) WHERE about <> '';

-- What happened to a case, each with what held after it. Append-only.
CREATE TABLE casework_event (
  number  INTEGER NOT NULL REFERENCES casework (number),
  version INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  who     TEXT    NOT NULL,
  owner   TEXT    NOT NULL,
  state   TEXT    NOT NULL,
  due_at  INTEGER,
  note    TEXT    NOT NULL,
  detail  BLOB,
  PRIMARY KEY (number, version)
) STRICT, WITHOUT ROWID;
