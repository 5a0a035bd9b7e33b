-- Indexes whose own order is the one asked for, so that a page is read and nothing is sorted.
--
-- The spots of one type: where many items match, the newest are found by walking along it.
CREATE INDEX item_term_walk ON item_term (kind, spot);
DROP INDEX item_term_spot;

-- What each source brought, in the order it came, to the last version within one moment.
CREATE INDEX item_brought ON item (source, moment, person, kind, item, version);
CREATE INDEX item_history_brought ON item_history (source, moment, person, kind, item, version);
DROP INDEX item_moment;
DROP INDEX item_history_moment;

-- Words that were written and are not yet sorted into the index are looked through by every search: fewer.
ALTER INDEX item_term_words SET (gin_pending_list_limit = 1024);
