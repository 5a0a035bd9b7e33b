-- The same record as SQLite's, for PostgreSQL and for Citus: a table about a person begins its key
-- with the person; nothing is unique across people but the tables that exist to keep it so; no
-- triggers, no foreign keys across parts, no functions that read a clock or a random source. The one
-- writer checks what a foreign key would. Texts compare byte by byte, as SQLite's do.
-- Wide columns come first, so that a row has no padding.

-- People. `person` is 63 random bits; negative numbers are parts of things about nobody.
CREATE TABLE person (
  person      bigint PRIMARY KEY,
  joined_into bigint,
  created     bigint NOT NULL
);
CREATE INDEX person_joined ON person (joined_into) WHERE joined_into IS NOT NULL;

-- Current items. The columns mean what they mean in the SQLite schema.
CREATE TABLE item (
  person      bigint   NOT NULL,
  item        bigint   NOT NULL,
  code_key    bigint   NOT NULL,
  clinical_at bigint,
  event_at    bigint   NOT NULL,
  received_at bigint   NOT NULL,
  seal        bigint   NOT NULL,
  kind        integer  NOT NULL,
  version     integer  NOT NULL,
  versions    integer  NOT NULL,
  form        integer  NOT NULL,
  bytes       integer  NOT NULL,
  category    smallint NOT NULL,
  sensitivity smallint NOT NULL,
  flags       smallint NOT NULL,
  source      text COLLATE "C" NOT NULL,
  digest      bytea    NOT NULL,
  body        bytea    NOT NULL,
  PRIMARY KEY (person, kind, item)
);

-- Superseded versions, and versions that came out of order. Append-only.
CREATE TABLE item_history (
  person      bigint   NOT NULL,
  item        bigint   NOT NULL,
  code_key    bigint   NOT NULL,
  clinical_at bigint,
  event_at    bigint   NOT NULL,
  received_at bigint   NOT NULL,
  seal        bigint   NOT NULL,
  kind        integer  NOT NULL,
  version     integer  NOT NULL,
  form        integer  NOT NULL,
  bytes       integer  NOT NULL,
  category    smallint NOT NULL,
  sensitivity smallint NOT NULL,
  flags       smallint NOT NULL,
  source      text COLLATE "C" NOT NULL,
  digest      bytea    NOT NULL,
  body        bytea    NOT NULL,
  PRIMARY KEY (person, kind, item, version)
);

-- What a person has, and the way back from a value to its holders: the second table lies with the
-- value, so that looking a number up touches one place.
CREATE TABLE identifier (
  person    bigint  NOT NULL,
  system    text COLLATE "C" NOT NULL,
  value     text COLLATE "C" NOT NULL,
  source    text COLLATE "C" NOT NULL,
  is_unique boolean NOT NULL,
  PRIMARY KEY (person, system, value, source)
);
CREATE TABLE identifier_holder (
  value     text COLLATE "C" NOT NULL,
  system    text COLLATE "C" NOT NULL,
  person    bigint  NOT NULL,
  source    text COLLATE "C" NOT NULL,
  is_unique boolean NOT NULL,
  PRIMARY KEY (value, system, person, source)
);

CREATE TABLE details (
  person          bigint NOT NULL,
  event_at        bigint NOT NULL,
  source          text COLLATE "C" NOT NULL,
  family          text COLLATE "C" NOT NULL,
  given           text COLLATE "C" NOT NULL,
  birth_date      text COLLATE "C" NOT NULL,
  gender          text COLLATE "C" NOT NULL,
  postcode        text COLLATE "C" NOT NULL,
  phonetic_family text COLLATE "C" NOT NULL,
  PRIMARY KEY (person, source)
);
CREATE INDEX details_family ON details (family, birth_date);
CREATE INDEX details_phonetic ON details (phonetic_family, birth_date);

CREATE TABLE involvement (
  person       bigint  NOT NULL,
  event_at     bigint  NOT NULL,
  starts       bigint,
  ends         bigint,
  source       text COLLATE "C" NOT NULL,
  kind         text COLLATE "C" NOT NULL,
  source_key   text COLLATE "C" NOT NULL,
  organisation text COLLATE "C" NOT NULL,
  cancelled    boolean NOT NULL,
  PRIMARY KEY (person, source, kind, source_key)
);

CREATE TABLE person_flag (
  person bigint NOT NULL,
  flag   text COLLATE "C" NOT NULL,
  value  text COLLATE "C" NOT NULL,
  PRIMARY KEY (person, flag)
);

-- The choice with the greatest number holds; older ones stay.
CREATE TABLE choice (
  person bigint NOT NULL,
  number bigint NOT NULL,
  choice bytea  NOT NULL,
  PRIMARY KEY (person, number)
);

-- A sender's id of a delivery is used once: this table lies with that id and keeps it so.
CREATE TABLE delivery_once (
  control_id text COLLATE "C" NOT NULL,
  sender     text COLLATE "C" NOT NULL,
  delivery   bigint NOT NULL,
  PRIMARY KEY (control_id, sender)
);
CREATE TABLE delivery (
  delivery    bigint PRIMARY KEY,
  received_at bigint NOT NULL,
  person      bigint,
  feed        text COLLATE "C" NOT NULL,
  sender      text COLLATE "C" NOT NULL,
  control_id  text COLLATE "C" NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  status      text COLLATE "C" NOT NULL,
  issues      text COLLATE "C" NOT NULL,
  digest      bytea  NOT NULL,
  answer      bytea  NOT NULL
);
CREATE INDEX delivery_feed ON delivery (feed, delivery);
CREATE TABLE delivery_body (
  delivery bigint  PRIMARY KEY,
  form     integer NOT NULL,
  bytes    integer NOT NULL,
  body     bytea   NOT NULL
);

CREATE TABLE worklist (
  number    bigint  PRIMARY KEY,
  delivery  bigint,
  person    bigint,
  opened_at bigint  NOT NULL,
  kind      text COLLATE "C" NOT NULL,
  feed      text COLLATE "C" NOT NULL,
  state     text COLLATE "C" NOT NULL,
  note      text COLLATE "C" NOT NULL,
  detail    bytea   NOT NULL,
  closed    boolean NOT NULL
);
CREATE INDEX worklist_open ON worklist (number) WHERE NOT closed;

-- Small values with an end: sessions, visits, search handles.
CREATE TABLE keep (
  expires_ms bigint NOT NULL,
  kept       bigint NOT NULL,
  space      text COLLATE "C" NOT NULL,
  key        text COLLATE "C" NOT NULL,
  value      bytea  NOT NULL,
  PRIMARY KEY (space, key)
);
CREATE INDEX keep_ended ON keep (expires_ms);

CREATE TABLE source_seen (
  source        text COLLATE "C" PRIMARY KEY,
  last_received bigint NOT NULL
);

-- The audit log: numbers from 0 without gaps; the leaf is the hash the Merkle tree is built on.
CREATE TABLE entry (
  number bigint  PRIMARY KEY,
  at     bigint  NOT NULL,
  person bigint,
  form   integer NOT NULL,
  bytes  integer NOT NULL,
  who    text COLLATE "C" NOT NULL,
  leaf   bytea   NOT NULL,
  entry  bytea   NOT NULL
);
CREATE INDEX entry_person ON entry (person, number) WHERE person IS NOT NULL;
CREATE INDEX entry_who ON entry (who, number);

-- Signed states of the log, with the frontier to go on from.
CREATE TABLE checkpoint (
  size     bigint PRIMARY KEY,
  note     text   NOT NULL,
  frontier bytea  NOT NULL
);

-- Dictionaries for bodies; `kind` is the resource type's number, 65535 deliveries, 65534 entries.
CREATE TABLE dictionary (
  dictionary bigint  PRIMARY KEY,
  kind       integer NOT NULL,
  trained_on bigint  NOT NULL,
  content    bytea   NOT NULL
);

CREATE TABLE tally (
  name  text COLLATE "C" PRIMARY KEY,
  count bigint NOT NULL
);
INSERT INTO tally (name, count) VALUES ('items', 0), ('people', 0);

-- Bodies are compressed already; trying again would only cost time.
ALTER TABLE item ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE item_history ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE delivery_body ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE entry ALTER COLUMN entry SET STORAGE EXTERNAL;
