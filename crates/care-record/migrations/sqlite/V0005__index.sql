-- Moments, tombstones and the search index.
--
-- `item` and `item_history` get columns before the body, so that reading headers still touches no
-- overflow pages; that takes a copy of both tables, and room for it on the disk while it is made.
--   flags: also 8, deleted
--   moment: the number of the commit's first audit entry; -1 for versions from before
--   spot: the row in `term`; 0 while the item is not in the index
CREATE TABLE item_5 (
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
  moment      INTEGER NOT NULL DEFAULT -1,
  spot        INTEGER NOT NULL DEFAULT 0,
  body        BLOB    NOT NULL,
  PRIMARY KEY (person, kind, item)
) STRICT, WITHOUT ROWID;
INSERT INTO item_5 (person, kind, item, version, category, sensitivity, flags, source, code_key,
    clinical_at, event_at, received_at, form, bytes, digest, seal, versions, body)
  SELECT person, kind, item, version, category, sensitivity, flags, source, code_key,
    clinical_at, event_at, received_at, form, bytes, digest, seal, versions, body FROM item;
DROP TABLE item;
ALTER TABLE item_5 RENAME TO item;
CREATE INDEX item_sealed ON item (received_at) WHERE sensitivity IN (2, 3);
-- What each source brought, in the order it came.
CREATE INDEX item_moment ON item (source, moment);

CREATE TABLE item_history_5 (
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
  moment      INTEGER NOT NULL DEFAULT -1,
  body        BLOB    NOT NULL,
  PRIMARY KEY (person, kind, item, version)
) STRICT, WITHOUT ROWID;
INSERT INTO item_history_5 (person, kind, item, version, category, sensitivity, flags, source,
    code_key, clinical_at, event_at, received_at, form, bytes, digest, seal, body)
  SELECT person, kind, item, version, category, sensitivity, flags, source, code_key,
    clinical_at, event_at, received_at, form, bytes, digest, seal, body FROM item_history;
DROP TABLE item_history;
ALTER TABLE item_history_5 RENAME TO item_history;
CREATE INDEX item_history_moment ON item_history (source, moment);

-- The index: the words a resource is found by, hashed. Its row number is the spot: seconds of clinical
-- time, then a number that was never given before. So "newest first" is the order of the index itself.
-- Rows are only added; what a row stood for is found in `spot`, and a row of which nothing stands there
-- is found no more. `store reindex` makes it anew without those.
CREATE VIRTUAL TABLE term USING fts5 (
  words, content='', columnsize=0, detail=none, tokenize='ascii'
);

-- Which item has the spot whose low 30 bits are this number.
CREATE TABLE spot (
  number INTEGER PRIMARY KEY,
  person INTEGER NOT NULL,
  kind   INTEGER NOT NULL,
  item   INTEGER NOT NULL
) STRICT;
INSERT INTO tally (name, count) VALUES ('spots', 0);

-- Work on the index that is not done: which types (as `,kind,kind,`; empty: all), how far, of how many.
CREATE TABLE index_work (
  number INTEGER PRIMARY KEY,
  about  TEXT    NOT NULL,
  kinds  TEXT    NOT NULL,
  person INTEGER NOT NULL,
  kind   INTEGER NOT NULL,
  item   INTEGER NOT NULL,
  done   INTEGER NOT NULL,
  total  INTEGER NOT NULL
) STRICT;
INSERT INTO index_work (number, about, kinds, person, kind, item, done, total)
  SELECT 1, '', '', -9223372036854775808, 0, 0, 0, count FROM tally WHERE name = 'items' AND count > 0;

-- SearchParameters of this deployment.
CREATE TABLE own_parameter (
  url        TEXT PRIMARY KEY,
  definition BLOB NOT NULL
) STRICT, WITHOUT ROWID;
