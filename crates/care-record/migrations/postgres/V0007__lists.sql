-- Lists: all items that share a code, in the order of their spots. The newest fifty of a code are fifty rows
-- of its list, however many items have it and however far apart in time they lie. What is on which list:
-- care_core::fhir::search, Wanted::Listed. The embedded engine's index has this order for every word.
CREATE TABLE item_list (
  person bigint  NOT NULL,
  item   bigint  NOT NULL,
  spot   bigint  NOT NULL,
  kind   integer NOT NULL,
  list   text COLLATE "C" NOT NULL,
  PRIMARY KEY (person, kind, item, list)
);
CREATE INDEX item_list_walk ON item_list (list, spot);

-- Everything is worked into the index anew, as a piece of its own.
INSERT INTO index_work (number, about, kinds, person, kind, item, done, total)
  SELECT coalesce((SELECT max(number) FROM index_work), 0) + 1, '', '', -9223372036854775808, 0, 0, 0, count
  FROM tally WHERE name = 'items' AND count > 0;
