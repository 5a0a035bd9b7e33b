-- People. `person` is 63 random bits; negative numbers are parts of things about nobody.
CREATE TABLE person (
  person      INTEGER PRIMARY KEY,
  joined_into INTEGER REFERENCES person (person),
  created     INTEGER NOT NULL
) STRICT;
CREATE INDEX person_joined ON person (joined_into) WHERE joined_into IS NOT NULL;

-- Current items, one person's together. Columns that a list needs come first, the body last, so
-- that reading headers does not touch overflow pages.
--   flags: 1 holds now, 2 withdrawn, 4 from a GP practice
--   form: 0 plain, 1 zstd, from 2 the dictionary's number
--   digest: first 16 bytes of SHA-256 of the plain body; seal: checksum of this row's other columns
--   versions: highest version number given so far, history included
-- Times are microseconds since 1970 UTC.
CREATE TABLE item (
  person      INTEGER NOT NULL,
  kind        INTEGER NOT NULL,
  item        INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  category    INTEGER NOT NULL,
  sensitivity INTEGER NOT NULL,
  flags       INTEGER NOT NULL,
  source      TEXT    NOT NULL,
  code_key    INTEGER NOT NULL,
  clinical_at INTEGER,
  event_at    INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  form        INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  digest      BLOB    NOT NULL,
  seal        INTEGER NOT NULL,
  versions    INTEGER NOT NULL,
  body        BLOB    NOT NULL,
  PRIMARY KEY (person, kind, item)
) STRICT, WITHOUT ROWID;

-- Superseded versions, and versions that came out of order. Append-only.
CREATE TABLE item_history (
  person      INTEGER NOT NULL,
  kind        INTEGER NOT NULL,
  item        INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  category    INTEGER NOT NULL,
  sensitivity INTEGER NOT NULL,
  flags       INTEGER NOT NULL,
  source      TEXT    NOT NULL,
  code_key    INTEGER NOT NULL,
  clinical_at INTEGER,
  event_at    INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  form        INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  digest      BLOB    NOT NULL,
  seal        INTEGER NOT NULL,
  body        BLOB    NOT NULL,
  PRIMARY KEY (person, kind, item, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE identifier (
  system    TEXT    NOT NULL,
  value     TEXT    NOT NULL,
  person    INTEGER NOT NULL REFERENCES person (person),
  source    TEXT    NOT NULL,
  is_unique INTEGER NOT NULL,
  PRIMARY KEY (system, value, person, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifier_person ON identifier (person);

CREATE TABLE details (
  person          INTEGER NOT NULL REFERENCES person (person),
  source          TEXT    NOT NULL,
  event_at        INTEGER NOT NULL,
  family          TEXT    NOT NULL,
  given           TEXT    NOT NULL,
  birth_date      TEXT    NOT NULL,
  gender          TEXT    NOT NULL,
  postcode        TEXT    NOT NULL,
  phonetic_family TEXT    NOT NULL,
  PRIMARY KEY (person, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX details_family ON details (family, birth_date);
CREATE INDEX details_phonetic ON details (phonetic_family, birth_date);

CREATE TABLE involvement (
  person       INTEGER NOT NULL REFERENCES person (person),
  source       TEXT    NOT NULL,
  kind         TEXT    NOT NULL,
  source_key   TEXT    NOT NULL,
  event_at     INTEGER NOT NULL,
  organisation TEXT    NOT NULL,
  starts       INTEGER,
  ends         INTEGER,
  cancelled    INTEGER NOT NULL,
  PRIMARY KEY (person, source, kind, source_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE person_flag (
  person INTEGER NOT NULL REFERENCES person (person),
  flag   TEXT    NOT NULL,
  value  TEXT    NOT NULL,
  PRIMARY KEY (person, flag)
) STRICT, WITHOUT ROWID;

-- The choice with the greatest number holds; older ones stay.
CREATE TABLE choice (
  person INTEGER NOT NULL REFERENCES person (person),
  number INTEGER NOT NULL,
  choice BLOB    NOT NULL,
  PRIMARY KEY (person, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
  delivery    INTEGER PRIMARY KEY,
  feed        TEXT    NOT NULL,
  sender      TEXT    NOT NULL,
  control_id  TEXT    NOT NULL,
  digest      BLOB    NOT NULL,
  received_at INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  status      TEXT    NOT NULL,
  answer      BLOB    NOT NULL,
  person      INTEGER,
  issues      TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX delivery_once ON delivery (sender, control_id);
CREATE INDEX delivery_feed ON delivery (feed, delivery);

CREATE TABLE delivery_body (
  delivery INTEGER PRIMARY KEY REFERENCES delivery (delivery),
  form     INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  body     BLOB    NOT NULL
) STRICT;

CREATE TABLE worklist (
  number    INTEGER PRIMARY KEY,
  kind      TEXT    NOT NULL,
  feed      TEXT    NOT NULL,
  delivery  INTEGER,
  person    INTEGER,
  opened_at INTEGER NOT NULL,
  state     TEXT    NOT NULL,
  closed    INTEGER NOT NULL,
  note      TEXT    NOT NULL,
  detail    BLOB    NOT NULL
) STRICT;
CREATE INDEX worklist_open ON worklist (kind, number) WHERE closed = 0;

-- Small values with an end: sessions, visits, search handles.
CREATE TABLE keep (
  space      TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  value      BLOB    NOT NULL,
  expires_ms INTEGER NOT NULL,
  kept       INTEGER NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE source_seen (
  source        TEXT    PRIMARY KEY,
  last_received INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit log: numbers from 0 without gaps; the leaf is the hash the Merkle tree is built on.
CREATE TABLE entry (
  number INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  person INTEGER,
  who    TEXT    NOT NULL,
  leaf   BLOB    NOT NULL,
  form   INTEGER NOT NULL,
  bytes  INTEGER NOT NULL,
  entry  BLOB    NOT NULL
) STRICT;
CREATE INDEX entry_person ON entry (person, number) WHERE person IS NOT NULL;
CREATE INDEX entry_who ON entry (who, number);

-- Signed states of the log, with the frontier to go on from.
CREATE TABLE checkpoint (
  size     INTEGER PRIMARY KEY,
  note     TEXT NOT NULL,
  frontier BLOB NOT NULL
) STRICT;

-- Dictionaries for bodies; `kind` is the resource type's number, 65535 deliveries, 65534 entries.
CREATE TABLE dictionary (
  dictionary INTEGER PRIMARY KEY,
  kind       INTEGER NOT NULL,
  trained_on INTEGER NOT NULL,
  content    BLOB    NOT NULL
) STRICT;

CREATE TABLE tally (
  name  TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tally (name, count) VALUES ('items', 0), ('people', 0);
