-- Cases that people work on: reviews of access, reports, choices to process, disclosures, extracts.
-- `about` names what a case is about besides the person (a user's id …); `detail` is JSON.
-- Many cases are about nobody, and a list is of many people: like `worklist`, this lies by number.
-- Times are microseconds since 1970 UTC.
CREATE TABLE casework (
  number     bigint PRIMARY KEY,
  person     bigint,
  opened_at  bigint NOT NULL,
  due_at     bigint,
  changed_at bigint NOT NULL,
  version    bigint NOT NULL,
  reference  text COLLATE "C" NOT NULL,
  kind       text COLLATE "C" NOT NULL,
  about      text COLLATE "C" NOT NULL,
  owner      text COLLATE "C" NOT NULL,
  state      text COLLATE "C" NOT NULL,
  detail     bytea   NOT NULL,
  closed     boolean NOT NULL
);
CREATE INDEX casework_reference ON casework (reference);
CREATE INDEX casework_kind ON casework (kind, opened_at);
CREATE INDEX casework_person ON casework (person) WHERE person IS NOT NULL;
CREATE INDEX casework_about ON casework (about) WHERE about <> '';

-- What happened to a case, each with what held after it. Append-only.
CREATE TABLE casework_event (
  number  bigint NOT NULL,
  version bigint NOT NULL,
  at      bigint NOT NULL,
  due_at  bigint,
  who     text COLLATE "C" NOT NULL,
  owner   text COLLATE "C" NOT NULL,
  state   text COLLATE "C" NOT NULL,
  note    text COLLATE "C" NOT NULL,
  detail  bytea,
  PRIMARY KEY (number, version)
);
