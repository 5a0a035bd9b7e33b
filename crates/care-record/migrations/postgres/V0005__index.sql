-- Moments, tombstones and the search index. The columns mean what they mean in the SQLite schema.
ALTER TABLE item ADD COLUMN moment bigint NOT NULL DEFAULT -1;
ALTER TABLE item_history ADD COLUMN moment bigint NOT NULL DEFAULT -1;
CREATE INDEX item_moment ON item (source, moment);
CREATE INDEX item_history_moment ON item_history (source, moment);

-- The words an item is found by, hashed, with its spot: seconds of clinical time, then a number that
-- was never given before.
CREATE TABLE item_term (
  person bigint   NOT NULL,
  item   bigint   NOT NULL,
  spot   bigint   NOT NULL,
  kind   integer  NOT NULL,
  words  tsvector NOT NULL,
  PRIMARY KEY (person, kind, item)
);
CREATE INDEX item_term_words ON item_term USING gin (words);
CREATE INDEX item_term_spot ON item_term (spot);
INSERT INTO tally (name, count) VALUES ('spots', 0);

-- Work on the index that is not done: which types (as `,kind,kind,`; empty: all), how far, of how many.
CREATE TABLE index_work (
  number bigint  PRIMARY KEY,
  person bigint  NOT NULL,
  item   bigint  NOT NULL,
  done   bigint  NOT NULL,
  total  bigint  NOT NULL,
  kind   integer NOT NULL,
  about  text COLLATE "C" NOT NULL,
  kinds  text COLLATE "C" NOT NULL
);
INSERT INTO index_work (number, about, kinds, person, kind, item, done, total)
  SELECT 1, '', '', -9223372036854775808, 0, 0, 0, count FROM tally WHERE name = 'items' AND count > 0;

-- SearchParameters of this deployment.
CREATE TABLE own_parameter (
  url        text COLLATE "C" PRIMARY KEY,
  definition bytea NOT NULL
);
