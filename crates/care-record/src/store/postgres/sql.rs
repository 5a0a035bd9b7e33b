//! Every statement the engine sends, in one place, so that a test can look them all over for what a
//! store spread over several machines refuses or does slowly.
//!
//! `$1` is the person's parts (its own and those joined into it) wherever a statement is about one
//! person. A statement that is about many says so in [`ACROSS_PEOPLE`].

use crate::store::row::item_columns;

/// The view as a condition on the table aliased by `$t`: $2 categories, $3 protection levels, $4 hide
/// GP items, $5 sources. See `Filter`.
macro_rules! permitted {
    ($t:literal) => {
        concat!(
            "(($2::bigint >> ",
            $t,
            ".category::integer) & 1) = 1 AND (($3::bigint >> ",
            $t,
            ".sensitivity::integer) & 1) = 1 AND (NOT $4::boolean OR (",
            $t,
            ".flags & 4) = 0) AND ($5::text = '' OR $5::text = '=' || ",
            $t,
            ".source OR (left($5::text, 1) = ',' AND strpos($5::text, ',' || ",
            $t,
            ".source || ',') = 0))"
        )
    };
}

/// Not deleted.
macro_rules! alive {
    ($t:literal) => {
        concat!(" AND (", $t, ".flags & 8) = 0")
    };
}

/// What came of a source in one table, in the order of the index by source and moment: $6 the source, $7 to
/// $11 the place before it, $12 the type, $13 the first moment, $14 the first arrival, $15 how many.
macro_rules! changes_of {
    ($table:literal) => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM ",
            $table,
            " AS i WHERE $1::bigint[] IS NULL AND i.source = $6::text \
             AND (i.moment, i.person, i.kind, i.item, i.version) \
             < ($7::bigint, $8::bigint, $9::integer, $10::bigint, $11::integer) \
             AND i.moment <= $7::bigint \
             AND ($12::integer IS NULL OR i.kind = $12::integer) AND i.moment >= $13::bigint \
             AND i.received_at >= $14::bigint AND ",
            permitted!("i"),
            " ORDER BY i.moment DESC, i.person DESC, i.kind DESC, i.item DESC, i.version DESC \
             LIMIT $15::bigint"
        )
    };
}

/// The same of one person ($1): their range, put in order. `|| ''` and `+ 0` keep the index by source
/// and moment out of it, in which one person is a needle.
macro_rules! changes_of_one {
    ($table:literal) => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM ",
            $table,
            " AS i WHERE i.person = ANY($1::bigint[]) AND i.source || '' = $6::text \
             AND (i.moment + 0, i.person, i.kind, i.item, i.version) \
             < ($7::bigint, $8::bigint, $9::integer, $10::bigint, $11::integer) \
             AND ($12::integer IS NULL OR i.kind = $12::integer) AND i.moment + 0 >= $13::bigint \
             AND i.received_at >= $14::bigint AND ",
            permitted!("i"),
            " ORDER BY i.moment + 0 DESC, i.person DESC, i.kind DESC, i.item DESC, i.version DESC \
             LIMIT $15::bigint"
        )
    };
}

/// A version is shown only where the view permits that version *and* the current one: a label that
/// was raised later also covers what was stored before.
macro_rules! past_versions {
    () => {
        past_versions!("ANY($1::bigint[])")
    };
    ($part:literal) => {
        concat!(
            " FROM item_history AS i WHERE i.person = ",
            $part,
            " \
             AND i.kind = $6::integer AND i.item = $7::bigint AND ",
            permitted!("i"),
            " AND EXISTS (SELECT 1 FROM item AS c WHERE c.person = i.person \
             AND c.kind = i.kind AND c.item = i.item AND ",
            permitted!("c"),
            ")"
        )
    };
}

/// As many matches as are read and put in order; of more than these the newest are found by walking.
#[cfg(not(test))]
macro_rules! few {
    () => {
        "2000"
    };
}
/// So few in tests that they go both ways.
#[cfg(test)]
macro_rules! few {
    () => {
        "4"
    };
}
/// That there are more.
macro_rules! many {
    () => {
        concat!("(SELECT many FROM n) >= ", few!())
    };
}

/// Matches in the order of their spots, found by walking along all spots of the type, under a condition.
/// $6 the query, $7 the spot after which, $8 the type, $9 how many.
///
/// Each way in names its index by leaving no other (`+ 0`; a function where an operator would be looked
/// up), so that one plan is right whatever was known of the tables when it was made.
///
/// Where the view takes out nothing of what the index holds, the walk itself ends after so many
/// (`$limit`): a plan that does not know it gathers all matches first.
macro_rules! along_spots {
    ($condition:expr, $than:literal, $order:literal, $limit:literal) => {
        concat!(
            "(SELECT t.person, t.kind, t.item, t.spot FROM item_term AS t WHERE ",
            $condition,
            " AND ts_match_vq(t.words, $6::text::tsquery) AND t.kind = $8::integer AND t.spot ",
            $than,
            " $7::bigint ORDER BY t.spot ",
            $order,
            $limit,
            ")"
        )
    };
}

/// Whether what stands on a list meets the query, is of the type, and stands there at the spot of its words.
/// A subquery, because a join would have the planner think that nearly nothing is left, and sort it all.
macro_rules! meets {
    ($query:literal, $kind:literal) => {
        concat!(
            "(SELECT ts_match_vq(t.words, ",
            $query,
            "::text::tsquery) FROM item_term AS t WHERE t.person = l.person AND t.kind = l.kind \
             AND t.item = l.item AND t.spot + 0 = l.spot AND t.kind + 0 = ",
            $kind,
            "::integer)"
        )
    };
}

/// The same along a list ($10), on which all matches stand.
macro_rules! along_list {
    ($condition:expr, $than:literal, $order:literal, $limit:literal) => {
        concat!(
            "(SELECT l.person, l.kind, l.item, l.spot FROM item_list AS l WHERE ",
            $condition,
            " AND ",
            meets!("$6", "$8"),
            " AND l.list = $10::text AND l.spot ",
            $than,
            " $7::bigint ORDER BY l.spot ",
            $order,
            $limit,
            ")"
        )
    };
}

/// The items of a walk with their bodies, as far as the view permits them. Joined by the key, the person
/// first, so that each machine joins its own.
macro_rules! walked {
    ($walk:expr, $order:literal) => {
        concat!(
            "(SELECT ",
            item_columns!(),
            ", i.body, w.spot FROM ",
            $walk,
            " AS w JOIN item AS i ON i.person = w.person AND i.kind = w.kind AND i.item = w.item WHERE ",
            permitted!("i"),
            alive!("i"),
            " ORDER BY w.spot ",
            $order,
            " LIMIT $9::bigint)"
        )
    };
}

/// Items by the index of words, which gives its matches in no order. So a query that few match has them
/// all read and put in order, and one that many match walks.
macro_rules! few_or {
    ($walk:expr, $than:literal, $order:literal) => {
        concat!(
            "WITH f AS MATERIALIZED (SELECT t.person, t.kind, t.item, t.spot FROM item_term AS t \
             WHERE $1::bigint[] IS NULL AND t.words @@ $6::text::tsquery AND t.kind + 0 = $8::integer \
             AND t.spot + 0 ",
            $than,
            " $7::bigint LIMIT ",
            few!(),
            "), n AS MATERIALIZED (SELECT count(*) AS many FROM f) (SELECT ",
            item_columns!(),
            ", i.body, g.spot FROM (SELECT * FROM f ORDER BY spot ",
            $order,
            " LIMIT ",
            few!(),
            ") AS g JOIN item AS i ON i.person = g.person AND i.kind = g.kind AND i.item = g.item \
             WHERE (SELECT many FROM n) < ",
            few!(),
            " AND ",
            permitted!("i"),
            alive!("i"),
            " ORDER BY g.spot ",
            $order,
            " LIMIT $9::bigint) UNION ALL ",
            walked!($walk, $order)
        )
    };
}

/// Items by words that no list is of.
macro_rules! found {
    ($than:literal, $order:literal, $limit:literal) => {
        few_or!(along_spots!(many!(), $than, $order, $limit), $than, $order)
    };
}

/// Items by words of which one has a list.
macro_rules! among_list {
    ($than:literal, $order:literal, $limit:literal) => {
        few_or!(along_list!(many!(), $than, $order, $limit), $than, $order)
    };
}

/// Items that a list alone finds.
macro_rules! on_list {
    ($than:literal, $order:literal, $limit:literal) => {
        walked!(
            along_list!("$1::bigint[] IS NULL", $than, $order, $limit),
            $order
        )
    };
}

/// Names of lists as they are written.
macro_rules! listed_arrays {
    () => {
        "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::integer[]) \
         AS k (person, item, spot, kind, list, version)"
    };
}

macro_rules! delivery_columns {
    () => {
        "d.delivery, d.feed, d.sender, d.control_id, d.digest, d.received_at, d.kind, d.status, \
         d.answer, d.person, d.issues"
    };
}

macro_rules! case_columns {
    () => {
        "c.number, c.reference, c.kind, c.person, c.about, c.opened_at, c.due_at, c.changed_at, \
         c.owner, c.state, c.version, c.detail"
    };
}

/// Which cases: $1 the person's parts, $2 kinds, $3 states, $4 open or closed, $5 owner, $6 about,
/// $7 due before, $8 opened from, $9 opened until.
macro_rules! chosen_cases {
    () => {
        " FROM casework AS c WHERE ($1::bigint[] IS NULL OR c.person = ANY($1::bigint[])) \
         AND ($2::text[] IS NULL OR c.kind = ANY($2::text[])) \
         AND ($3::text[] IS NULL OR c.state = ANY($3::text[])) \
         AND ($4::boolean IS NULL OR c.closed <> $4::boolean) \
         AND ($5::text IS NULL OR c.owner = $5::text) \
         AND ($6::text IS NULL OR c.about = $6::text) \
         AND ($7::bigint IS NULL OR c.due_at < $7::bigint) \
         AND ($8::bigint IS NULL OR c.opened_at >= $8::bigint) \
         AND ($9::bigint IS NULL OR c.opened_at < $9::bigint)"
    };
}

/// The columns of an item as they are written, `versions` apart.
macro_rules! written_columns {
    () => {
        "person, kind, item, version, category, sensitivity, flags, source, code_key, clinical_at, \
         event_at, received_at, form, bytes, digest, seal, body, moment"
    };
}

macro_rules! written_arrays {
    () => {
        "unnest($1::bigint[], $2::integer[], $3::bigint[], $4::integer[], $5::smallint[], \
         $6::smallint[], $7::smallint[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], \
         $12::bigint[], $13::integer[], $14::integer[], $15::bytea[], $16::bigint[], $17::bytea[], $18::bigint[]"
    };
}

/// Items by their keys. A spread database needs the people once more, by themselves (`_SPREAD`): it asks
/// only the machines where those are. On one machine that would be another way in, and a worse one.
macro_rules! load_items {
    () => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.versions FROM \
             unnest($1::bigint[], $2::integer[], $3::bigint[]) AS k (person, kind, item) \
             JOIN item AS i ON i.person = k.person AND i.kind = k.kind AND i.item = k.item"
        )
    };
}

macro_rules! load_past {
    () => {
        "SELECT h.person, h.kind, h.item, h.version, h.digest, h.event_at, \
         h.sensitivity, h.category FROM \
         unnest($1::bigint[], $2::integer[], $3::bigint[]) AS k (person, kind, item) \
         JOIN item_history AS h ON h.person = k.person AND h.kind = k.kind AND h.item = k.item"
    };
}

macro_rules! bodies_of {
    ($spread:literal) => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body, k.place FROM unnest($1::bigint[], $6::integer[], $7::bigint[]) \
             WITH ORDINALITY AS k (person, kind, item, place) \
             JOIN item AS i ON i.person = k.person AND i.kind = k.kind AND i.item = k.item WHERE ",
            $spread,
            permitted!("i"),
            alive!("i"),
            " ORDER BY k.place"
        )
    };
}

/// Tables about people: their keys begin with the person, and they are spread by it.
pub(super) const PERSON_TABLES: &[&str] = &[
    "person",
    "item",
    "item_history",
    "identifier",
    "details",
    "involvement",
    "person_flag",
    "choice",
    "item_term",
    "item_list",
];

/// Statements about many people at once: searches for a person, and the upkeep.
#[cfg(test)]
pub(super) const ACROSS_PEOPLE: &[&str] = &[
    "BY_FAMILY",
    "BY_SOUND",
    "PEOPLE_AFTER",
    "SEALED",
    "CHANGES",
    "CHANGES_PAST",
    "FIND_NEWEST",
    "FIND_OLDEST",
    "FIND_NEWEST_PERMITTED",
    "FIND_OLDEST_PERMITTED",
    "FIND_LISTED_NEWEST",
    "FIND_LISTED_OLDEST",
    "FIND_LISTED_NEWEST_PERMITTED",
    "FIND_LISTED_OLDEST_PERMITTED",
    "FIND_AMONG_NEWEST",
    "FIND_AMONG_OLDEST",
    "FIND_AMONG_NEWEST_PERMITTED",
    "FIND_AMONG_OLDEST_PERMITTED",
    "TALLY_LISTED",
    "TALLY_WHOLE",
    "TALLY_PERMITTED",
    "REREAD",
    "INDEX_CLEAR",
    "INDEX_CLEAR_LISTS",
    "INDEX_COUNT",
    "SEALED_TALLY",
    "JOINS",
    "SAMPLE_ITEMS",
    "SCRUB_ITEMS",
    "SCRUB_PAST",
    "SCRUB_PEOPLE",
];

macro_rules! statements {
    ($($(#[$about:meta])* $name:ident = $text:expr;)+) => {
        $($(#[$about])* pub(super) const $name: &str = $text;)+
        /// Every statement with its name, for the test that looks them over.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),+];
    };
}

statements! {
    // Reads of items.
    HEADERS = concat!(
        "SELECT ", item_columns!(), " FROM item AS i WHERE i.person = ANY($1::bigint[]) AND ",
        permitted!("i"), " AND ($6::boolean OR (i.flags & 8) = 0)"
    );
    WHOLE = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i WHERE i.person = ANY($1::bigint[]) AND ",
        permitted!("i"), alive!("i")
    );
    CODES_HELD = "SELECT i.code_key, max(i.clinical_at) FROM item AS i \
        WHERE i.person = ANY($1::bigint[]) AND i.code_key = ANY($2::bigint[]) \
        AND i.sensitivity = 0 AND (i.flags & 10) = 0 GROUP BY i.code_key";
    SEALED = concat!(
        "SELECT ", item_columns!(), " FROM item AS i WHERE i.sensitivity IN (2, 3) AND (i.flags & 8) = 0 \
         ORDER BY i.received_at DESC, i.person, i.kind, i.item \
         LIMIT $1::bigint"
    );
    SEALED_TALLY = "SELECT count(*), min(received_at) FROM item \
        WHERE sensitivity IN (2, 3) AND (flags & 8) = 0";
    PEOPLE_AFTER = "SELECT person FROM person WHERE person > $1::bigint AND joined_into IS NULL \
        ORDER BY person LIMIT $2::bigint";
    HEADERS_OF = concat!(
        "SELECT ", item_columns!(), " FROM item AS i WHERE i.person = ANY($1::bigint[]) AND ",
        permitted!("i"), alive!("i"), " AND i.kind = $6::integer"
    );
    BODIES_IN = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i WHERE i.person = ANY($1::bigint[]) AND ",
        permitted!("i"), alive!("i"), " AND i.kind = $6::integer LIMIT $7::bigint"
    );
    BODIES = concat!(
        "SELECT ", item_columns!(), ", i.body, w.place FROM \
         unnest($6::integer[], $7::bigint[]) WITH ORDINALITY AS w (kind, item, place) \
         JOIN item AS i ON i.kind = w.kind AND i.item = w.item \
         WHERE i.person = ANY($1::bigint[]) AND ", permitted!("i")
    );
    BODIES_OF = bodies_of!("");
    BODIES_OF_SPREAD = bodies_of!("i.person = ANY($1::bigint[]) AND ");
    // Of one part, so that the key's own order is the one asked for.
    VERSIONS = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i WHERE i.person = $1::bigint \
         AND i.kind = $6::integer AND i.item = $7::bigint AND i.version <= $8::bigint AND ",
        permitted!("i"), " UNION ALL (SELECT ", item_columns!(), ", i.body",
        past_versions!("$1::bigint"),
        " AND i.version <= $8::bigint ORDER BY i.version DESC LIMIT $9::bigint) \
         ORDER BY 4 DESC LIMIT $9::bigint"
    );
    CHANGES = changes_of!("item");
    CHANGES_PAST = changes_of!("item_history");
    CHANGES_OF_ONE = changes_of_one!("item");
    CHANGES_OF_ONE_PAST = changes_of_one!("item_history");
    ENTRY_AT = "SELECT at FROM entry WHERE number = $1::bigint";
    ENTRIES_HELD = "SELECT coalesce(max(number), -1) + 1 FROM entry";
    PAST_VERSION = concat!(
        "SELECT ", item_columns!(), ", i.body", past_versions!(), " AND i.version = $8::integer"
    );
    HISTORY = concat!(
        "SELECT ", item_columns!(), " FROM item AS i WHERE i.person = ANY($1::bigint[]) \
         AND i.kind = $6::integer AND i.item = $7::bigint AND ", permitted!("i"),
        " UNION ALL SELECT ", item_columns!(), past_versions!(), " ORDER BY 4 DESC"
    );
    SHARED_ITEM = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i \
         WHERE i.person = $1::bigint AND i.kind = $2::integer AND i.item = $3::bigint", alive!("i")
    );
    HOLDS = "SELECT 1 FROM item WHERE person = ANY($1::bigint[]) AND kind = $2::integer \
        AND item = $3::bigint AND (flags & 8) = 0 LIMIT 1";
    SENSITIVITIES = "SELECT DISTINCT sensitivity FROM item WHERE person = ANY($1::bigint[]) \
        AND (flags & 8) = 0";
    SOURCES_SEEN = "SELECT source, last_received FROM source_seen ORDER BY source";
    SOURCES_OF_PERSON = concat!(
        "SELECT i.source, max(i.clinical_at), count(*) FROM item AS i \
         WHERE i.person = ANY($1::bigint[]) AND ", permitted!("i"), alive!("i"), " GROUP BY i.source"
    );

    // Reads of people.
    PERSON = "SELECT joined_into FROM person WHERE person = $1::bigint";
    IDENTIFIERS = "SELECT system, value, source FROM identifier \
        WHERE person = ANY($1::bigint[]) ORDER BY 1, 2, 3";
    FLAGS = "SELECT DISTINCT flag, value FROM person_flag \
        WHERE person = ANY($1::bigint[]) ORDER BY 1, 2";
    CHOICES = "SELECT DISTINCT ON (person) person, choice FROM choice \
        WHERE person = ANY($1::bigint[]) ORDER BY person, number DESC";
    ALL_CHOICES = "SELECT choice FROM choice WHERE person = ANY($1::bigint[]) \
        ORDER BY person, number DESC";
    INVOLVEMENTS = "SELECT source, kind, organisation, source_key, starts, ends, cancelled \
        FROM involvement WHERE person = ANY($1::bigint[]) \
        ORDER BY person, source, kind, source_key";
    DETAILS = "SELECT source, event_at, family, given, birth_date, gender, postcode, \
        phonetic_family FROM details WHERE person = ANY($1::bigint[]) ORDER BY person, source";
    HOLDERS = "SELECT person, source, is_unique FROM identifier_holder \
        WHERE value = $1::text AND system = $2::text ORDER BY person, source";
    BY_FAMILY = "SELECT person, max((given = $3::text)::integer + (postcode = $4::text)::integer \
        + (gender = $5::text)::integer) FROM details \
        WHERE family = $1::text AND birth_date = $2::text \
        GROUP BY person ORDER BY 2 DESC, 1 LIMIT $6::bigint";
    BY_SOUND = "SELECT person, max((given = $3::text)::integer + (postcode = $4::text)::integer \
        + (gender = $5::text)::integer) FROM details \
        WHERE phonetic_family = $1::text AND birth_date = $2::text \
        GROUP BY person ORDER BY 2 DESC, 1 LIMIT $6::bigint";
    JOINS = "SELECT person, joined_into FROM person WHERE joined_into IS NOT NULL";

    // Reads of the log and of what lies beside it.
    DELIVERY_ONCE = "SELECT delivery FROM delivery_once \
        WHERE control_id = $1::text AND sender = $2::text";
    DELIVERY = concat!(
        "SELECT ", delivery_columns!(), " FROM delivery AS d WHERE d.delivery = $1::bigint"
    );
    DELIVERY_WITH_BODY = concat!(
        "SELECT ", delivery_columns!(), ", b.form, b.bytes, b.body FROM delivery AS d \
         JOIN delivery_body AS b ON b.delivery = d.delivery WHERE d.delivery = $1::bigint"
    );
    DELIVERIES_OF_FEED = concat!(
        "SELECT ", delivery_columns!(), " FROM delivery AS d \
         WHERE d.feed = $3::text AND d.delivery < $1::bigint \
         ORDER BY d.delivery DESC LIMIT $2::bigint"
    );
    DELIVERIES = concat!(
        "SELECT ", delivery_columns!(), " FROM delivery AS d WHERE d.delivery < $1::bigint \
         ORDER BY d.delivery DESC LIMIT $2::bigint"
    );
    WORKLIST = "SELECT number, kind, feed, delivery, person, opened_at, state, note, detail \
        FROM worklist WHERE NOT closed AND ($1::text IS NULL OR kind = $1::text) \
        AND number > $2::bigint ORDER BY number LIMIT $3::bigint";
    CASE = concat!("SELECT ", case_columns!(), " FROM casework AS c WHERE c.number = $1::bigint");
    CASE_BY_REFERENCE = concat!(
        "SELECT ", case_columns!(), " FROM casework AS c WHERE c.reference = $1::text"
    );
    CASES = concat!(
        "SELECT ", case_columns!(), chosen_cases!(),
        " ORDER BY CASE $10::text WHEN 'newest' THEN -c.opened_at \
         WHEN 'changed' THEN -c.changed_at \
         WHEN 'due' THEN coalesce(c.due_at, 9223372036854775807) ELSE c.opened_at END, c.number \
         LIMIT $11::bigint"
    );
    CASE_TALLY = concat!(
        "SELECT c.kind, c.state, count(*), min(c.opened_at)", chosen_cases!(),
        " GROUP BY c.kind, c.state ORDER BY c.kind, c.state"
    );
    CASE_EVENTS = "SELECT version, at, who, owner, state, due_at, note, detail \
        FROM casework_event WHERE number = $1::bigint ORDER BY version";
    KEPT = "SELECT value FROM keep \
        WHERE space = $1::text AND key = $2::text AND expires_ms > $3::bigint";
    KEPT_LIST = "SELECT key, value FROM keep WHERE space = $1::text AND key >= $2::text \
        AND key < $5::text AND expires_ms > $3::bigint ORDER BY kept DESC, key LIMIT $4::bigint";
    ENTRIES = "SELECT number, leaf, form, bytes, entry FROM entry WHERE number >= $1::bigint \
        ORDER BY number LIMIT $2::bigint";
    ENTRIES_BUT = "SELECT number, leaf, form, bytes, \
        CASE WHEN who = ANY($3::text[]) THEN NULL ELSE entry END FROM entry \
        WHERE number >= $1::bigint ORDER BY number LIMIT $2::bigint";
    ENTRIES_ABOUT = "SELECT number, leaf, form, bytes, entry FROM entry \
        WHERE person = ANY($3::bigint[]) AND number < $1::bigint \
        AND ($4::text IS NULL OR who = $4::text) ORDER BY number DESC LIMIT $2::bigint";
    ENTRIES_BY = "SELECT number, leaf, form, bytes, entry FROM entry \
        WHERE who = $3::text AND number < $1::bigint ORDER BY number DESC LIMIT $2::bigint";
    ENTRIES_NEWEST = "SELECT number, leaf, form, bytes, entry FROM entry \
        WHERE number < $1::bigint ORDER BY number DESC LIMIT $2::bigint";
    LEAVES = "SELECT number, leaf FROM entry WHERE number >= $1::bigint \
        ORDER BY number LIMIT $2::bigint";
    COUNTS = "SELECT (SELECT count FROM tally WHERE name = 'items'), \
        (SELECT count FROM tally WHERE name = 'people'), \
        (SELECT coalesce(max(number), -1) + 1 FROM entry), \
        pg_database_size(current_database())";
    NUMBERS = "SELECT (SELECT coalesce(max(number), -1) + 1 FROM entry), \
        (SELECT coalesce(max(delivery), 0) + 1 FROM delivery), \
        (SELECT coalesce(max(number), 0) + 1 FROM worklist), \
        (SELECT coalesce(max(number), 0) + 1 FROM casework), \
        (SELECT count + 1 FROM tally WHERE name = 'spots')";
    DICTIONARIES = "SELECT dictionary, kind, content FROM dictionary ORDER BY dictionary";

    // The index.
    FIND_NEWEST = found!("<", "DESC", " LIMIT $9::bigint");
    FIND_OLDEST = found!(">", "ASC", " LIMIT $9::bigint");
    FIND_NEWEST_PERMITTED = found!("<", "DESC", "");
    FIND_OLDEST_PERMITTED = found!(">", "ASC", "");
    FIND_LISTED_NEWEST = on_list!("<", "DESC", " LIMIT $9::bigint");
    FIND_LISTED_OLDEST = on_list!(">", "ASC", " LIMIT $9::bigint");
    FIND_LISTED_NEWEST_PERMITTED = on_list!("<", "DESC", "");
    FIND_LISTED_OLDEST_PERMITTED = on_list!(">", "ASC", "");
    FIND_AMONG_NEWEST = among_list!("<", "DESC", " LIMIT $9::bigint");
    FIND_AMONG_OLDEST = among_list!(">", "ASC", " LIMIT $9::bigint");
    FIND_AMONG_NEWEST_PERMITTED = among_list!("<", "DESC", "");
    FIND_AMONG_OLDEST_PERMITTED = among_list!(">", "ASC", "");
    TALLY_LISTED = concat!(
        "SELECT count(*) FROM (SELECT 1 FROM item_list AS l WHERE l.list = $4::text \
         AND ", meets!("$1", "$2"), " LIMIT $3::bigint) AS counted"
    );
    TALLY_WHOLE = "SELECT count(*) FROM (SELECT 1 FROM item_term AS t \
        WHERE t.words @@ $1::text::tsquery AND t.kind + 0 = $2::integer LIMIT $3::bigint) AS counted";
    TALLY_PERMITTED = concat!(
        "SELECT count(*) FROM (SELECT 1 FROM item_term AS t \
         JOIN item AS i ON i.person = t.person AND i.kind = t.kind AND i.item = t.item \
         WHERE $1::bigint[] IS NULL AND t.words @@ $6::text::tsquery AND t.kind + 0 = $7::integer AND ",
        permitted!("i"), alive!("i"), " LIMIT $8::bigint) AS counted"
    );
    INDEX_LEFT = "SELECT done, total FROM index_work WHERE about = '' LIMIT 1";
    INDEX_WORK = "SELECT number, about, kinds, person, kind, item, done, total FROM index_work \
        ORDER BY number";
    REREAD = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i \
         WHERE (i.person, i.kind, i.item) > ($1::bigint, $2::integer, $3::bigint) \
         AND i.person >= $1::bigint \
         AND ($4::text = '' OR strpos($4::text, ',' || i.kind || ',') > 0) \
         ORDER BY i.person, i.kind, i.item LIMIT $5::bigint"
    );
    REINDEX = "INSERT INTO item_term (person, item, spot, kind, words) \
        SELECT k.person, k.item, k.spot, k.kind, array_to_tsvector(string_to_array(k.words, ' ')) \
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], \
        $6::integer[]) AS k (person, item, spot, kind, words, version) \
        JOIN item AS i ON i.person = k.person AND i.kind = k.kind AND i.item = k.item \
        AND i.version = k.version \
        ON CONFLICT (person, kind, item) DO UPDATE SET spot = excluded.spot, words = excluded.words";
    INDEX_WORKED = "UPDATE index_work SET person = $2::bigint, kind = $3::integer, item = $4::bigint, \
        done = done + $5::bigint WHERE number = $1::bigint";
    INDEX_DONE = "DELETE FROM index_work WHERE number = $1::bigint";
    INDEX_DROP_ABOUT = "DELETE FROM index_work WHERE about = $1::text";
    INDEX_CLEAR = "DELETE FROM item_term WHERE person >= $1::bigint";
    INDEX_CLEAR_LISTS = "DELETE FROM item_list WHERE person >= $1::bigint";
    INDEX_CLEAR_WORK = "DELETE FROM index_work";
    INDEX_ALL = "INSERT INTO index_work (number, about, kinds, person, kind, item, done, total) \
        SELECT 1, '', '', -9223372036854775808, 0, 0, 0, count FROM tally WHERE name = 'items'";
    INDEX_NEXT = "SELECT coalesce(max(number), 0) + 1 FROM index_work";
    INDEX_COUNT = "SELECT count(*) FROM item WHERE strpos($1::text, ',' || kind || ',') > 0";
    INDEX_ADD = "INSERT INTO index_work (number, about, kinds, total, person, kind, item, done) \
        VALUES ($1::bigint, $2::text, $3::text, $4::bigint, -9223372036854775808, 0, 0, 0)";
    PUT_PARAMETER = "INSERT INTO own_parameter (url, definition) VALUES ($1::text, $2::bytea) \
        ON CONFLICT (url) DO UPDATE SET definition = excluded.definition";
    DROP_PARAMETER = "DELETE FROM own_parameter WHERE url = $1::text";
    OWN_PARAMETERS = "SELECT url, definition FROM own_parameter ORDER BY url";
    INDEX_ABOUT = "SELECT about FROM index_work";
    // On a spread database this is the coordinator's empty one; the machines' own vacuum does theirs.
    SORT_WORDS = "SELECT gin_clean_pending_list('item_term_words'::regclass)";
    SPOTS = "SELECT count FROM tally WHERE name = 'spots'";
    PUT_TERMS = "INSERT INTO item_term (person, item, spot, kind, words) \
        SELECT k.person, k.item, k.spot, k.kind, array_to_tsvector(string_to_array(k.words, ' ')) \
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], \
        $6::integer[]) AS k (person, item, spot, kind, words, version) \
        ON CONFLICT (person, kind, item) DO UPDATE SET spot = excluded.spot, words = excluded.words";
    PUT_LISTS = concat!("INSERT INTO item_list (person, item, spot, kind, list) \
        SELECT k.person, k.item, k.spot, k.kind, k.list FROM ", listed_arrays!(),
        " ON CONFLICT (person, kind, item, list) DO UPDATE SET spot = excluded.spot");
    RELIST = concat!("INSERT INTO item_list (person, item, spot, kind, list) \
        SELECT k.person, k.item, k.spot, k.kind, k.list FROM ", listed_arrays!(),
        " JOIN item AS i ON i.person = k.person AND i.kind = k.kind AND i.item = k.item \
        AND i.version = k.version \
        ON CONFLICT (person, kind, item, list) DO UPDATE SET spot = excluded.spot");
    CLEAR_TERMS = "DELETE FROM item_term WHERE person = $1::bigint AND kind = $2::integer \
        AND item = $3::bigint";
    CLEAR_LISTS = "DELETE FROM item_list WHERE person = $1::bigint AND kind = $2::integer \
        AND item = $3::bigint";

    // What a batch must know before it can be decided.
    LOAD_ITEMS = load_items!();
    LOAD_ITEMS_SPREAD = concat!(load_items!(), " WHERE i.person = ANY($1::bigint[])");
    LOAD_PAST = load_past!();
    LOAD_PAST_SPREAD = concat!(load_past!(), " WHERE h.person = ANY($1::bigint[])");
    LOAD_PEOPLE = "SELECT person FROM person WHERE person = ANY($1::bigint[])";
    LOAD_HOLDERS = "SELECT h.system, h.value, h.person FROM \
        unnest($1::text[], $2::text[]) AS k (value, system) \
        JOIN identifier_holder AS h ON h.value = k.value AND h.system = k.system \
        WHERE h.is_unique";
    LOAD_DELIVERIES = "SELECT d.sender, d.control_id FROM \
        unnest($1::text[], $2::text[]) AS k (control_id, sender) \
        JOIN delivery_once AS d ON d.control_id = k.control_id AND d.sender = k.sender";
    LOAD_KEPT = "SELECT h.space, h.key FROM unnest($1::text[], $2::text[]) AS k (space, key) \
        JOIN keep AS h ON h.space = k.space AND h.key = k.key";
    LOAD_WORKLIST = "SELECT number FROM worklist WHERE number = ANY($1::bigint[])";
    LOAD_CASES = concat!(
        "SELECT ", case_columns!(), " FROM casework AS c WHERE c.number = ANY($1::bigint[])"
    );
    LOAD_CHOICES = "SELECT person, max(number) FROM choice \
        WHERE person = ANY($1::bigint[]) GROUP BY person";

    // Writes of a batch.
    CURRENT_TO_HISTORY = concat!(
        "INSERT INTO item_history (", written_columns!(), ") \
         SELECT person, kind, item, version, category, sensitivity, flags, source, code_key, \
         clinical_at, $4::bigint, received_at, form, bytes, digest, $5::bigint, body, moment \
         FROM item WHERE person = $1::bigint AND kind = $2::integer AND item = $3::bigint"
    );
    PUT_HISTORY = concat!(
        "INSERT INTO item_history (", written_columns!(), ") SELECT * FROM ", written_arrays!(), ")"
    );
    PUT_ITEMS = concat!(
        "INSERT INTO item (", written_columns!(), ", versions) SELECT * FROM ",
        written_arrays!(), ", $19::integer[]) ON CONFLICT (person, kind, item) DO UPDATE SET \
         version = excluded.version, category = excluded.category, \
         sensitivity = excluded.sensitivity, flags = excluded.flags, source = excluded.source, \
         code_key = excluded.code_key, clinical_at = excluded.clinical_at, \
         event_at = excluded.event_at, received_at = excluded.received_at, \
         form = excluded.form, bytes = excluded.bytes, digest = excluded.digest, \
         seal = excluded.seal, body = excluded.body, moment = excluded.moment, \
         versions = excluded.versions"
    );
    TOUCH_ITEM = "UPDATE item SET event_at = $4::bigint, seal = $5::bigint, \
        versions = $6::integer \
        WHERE person = $1::bigint AND kind = $2::integer AND item = $3::bigint";
    PUT_PEOPLE = "INSERT INTO person (person, created) \
        SELECT * FROM unnest($1::bigint[], $2::bigint[])";
    PUT_JOIN = "UPDATE person SET joined_into = $2::bigint WHERE person = $1::bigint";
    PUT_IDENTIFIERS = "INSERT INTO identifier (person, system, value, source, is_unique) \
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[]) \
        ON CONFLICT (person, system, value, source) \
        DO UPDATE SET is_unique = identifier.is_unique OR excluded.is_unique";
    PUT_HOLDERS = "INSERT INTO identifier_holder (person, system, value, source, is_unique) \
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[]) \
        ON CONFLICT (value, system, person, source) \
        DO UPDATE SET is_unique = identifier_holder.is_unique OR excluded.is_unique";
    PUT_DETAILS = "INSERT INTO details (person, event_at, source, family, given, birth_date, \
        gender, postcode, phonetic_family) SELECT * FROM unnest($1::bigint[], $2::bigint[], \
        $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) \
        ON CONFLICT (person, source) DO UPDATE SET event_at = excluded.event_at, \
        family = excluded.family, given = excluded.given, birth_date = excluded.birth_date, \
        gender = excluded.gender, postcode = excluded.postcode, \
        phonetic_family = excluded.phonetic_family WHERE excluded.event_at >= details.event_at";
    PUT_INVOLVEMENTS = "INSERT INTO involvement (person, event_at, starts, ends, source, kind, \
        source_key, organisation, cancelled) SELECT * FROM unnest($1::bigint[], $2::bigint[], \
        $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], \
        $9::boolean[]) ON CONFLICT (person, source, kind, source_key) DO UPDATE SET \
        event_at = excluded.event_at, starts = excluded.starts, ends = excluded.ends, \
        organisation = excluded.organisation, cancelled = excluded.cancelled \
        WHERE excluded.event_at >= involvement.event_at";
    PUT_FLAG = "INSERT INTO person_flag (person, flag, value) \
        VALUES ($1::bigint, $2::text, $3::text) \
        ON CONFLICT (person, flag) DO UPDATE SET value = excluded.value";
    CLEAR_FLAG = "DELETE FROM person_flag WHERE person = $1::bigint AND flag = $2::text";
    PUT_CHOICE = "INSERT INTO choice (person, number, choice) \
        VALUES ($1::bigint, $2::bigint, $3::bytea)";
    PUT_DELIVERIES_ONCE = "INSERT INTO delivery_once (control_id, sender, delivery) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";
    PUT_DELIVERIES = "INSERT INTO delivery (delivery, received_at, person, feed, sender, \
        control_id, kind, status, issues, digest, answer) SELECT * FROM unnest($1::bigint[], \
        $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
        $9::text[], $10::bytea[], $11::bytea[])";
    PUT_DELIVERY_BODIES = "INSERT INTO delivery_body (delivery, form, bytes, body) \
        SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::bytea[])";
    PUT_WORKLIST = "INSERT INTO worklist (number, delivery, person, opened_at, kind, feed, state, \
        note, detail, closed) VALUES ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::text, \
        $6::text, 'open', '', $7::bytea, false)";
    PUT_WORKLIST_STATE = "UPDATE worklist SET state = $2::text, note = $3::text, \
        closed = $4::boolean WHERE number = $1::bigint";
    PUT_CASE = "INSERT INTO casework (number, reference, kind, person, about, opened_at, due_at, \
        changed_at, owner, state, version, detail, closed) VALUES ($1::bigint, $2::text, $3::text, \
        $4::bigint, $5::text, $6::bigint, $7::bigint, $8::bigint, $9::text, $10::text, \
        $11::bigint, $12::bytea, $13::boolean) ON CONFLICT (number) DO UPDATE SET \
        due_at = excluded.due_at, changed_at = excluded.changed_at, owner = excluded.owner, \
        state = excluded.state, version = excluded.version, detail = excluded.detail, \
        closed = excluded.closed";
    PUT_CASE_EVENT = "INSERT INTO casework_event (number, version, at, due_at, who, owner, state, \
        note, detail) VALUES ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::text, $6::text, \
        $7::text, $8::text, $9::bytea)";
    PUT_KEPT = "INSERT INTO keep (space, key, value, expires_ms, kept) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[]) \
        ON CONFLICT (space, key) DO UPDATE SET value = excluded.value, \
        expires_ms = excluded.expires_ms, kept = excluded.kept";
    CLEAR_KEPT = "DELETE FROM keep WHERE space = $1::text AND key = $2::text";
    PUT_ENTRIES = "INSERT INTO entry (number, at, person, form, bytes, who, leaf, entry) \
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], \
        $5::integer[], $6::text[], $7::bytea[], $8::bytea[])";
    PUT_TALLY = "UPDATE tally SET count = count + $2::bigint WHERE name = $1::text";
    PUT_SEEN = "INSERT INTO source_seen (source, last_received) \
        SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT (source) DO UPDATE SET \
        last_received = greatest(source_seen.last_received, excluded.last_received)";

    // Upkeep.
    NEWEST_CHECKPOINT = "SELECT size, note, frontier FROM checkpoint ORDER BY size DESC LIMIT 1";
    CHECKPOINTS_AFTER = "SELECT size, note FROM checkpoint WHERE size > $1::bigint ORDER BY size";
    PUT_CHECKPOINT = "INSERT INTO checkpoint (size, note, frontier) \
        VALUES ($1::bigint, $2::text, $3::bytea) ON CONFLICT (size) \
        DO UPDATE SET note = excluded.note, frontier = excluded.frontier";
    PUT_COSIGNATURE = "INSERT INTO cosignature (size, witness, line) \
        VALUES ($1::bigint, $2::text, $3::text) ON CONFLICT (size, witness) \
        DO UPDATE SET line = excluded.line";
    COSIGNATURES = "SELECT witness, line FROM cosignature WHERE size = $1::bigint ORDER BY witness";
    COSIGNED_SIZES = "SELECT witness, max(size) FROM cosignature GROUP BY witness ORDER BY witness";
    PURGE = "DELETE FROM keep WHERE expires_ms <= $1::bigint";
    SAMPLE_ITEMS = "SELECT form, bytes, body, kind FROM \
        (SELECT form, bytes, body, kind FROM item LIMIT $2::bigint) AS looked_at \
        WHERE bytes <= $1::integer AND kind NOT IN (SELECT kind FROM dictionary) \
        LIMIT $3::bigint";
    SAMPLE_DELIVERIES = "SELECT form, bytes, body FROM delivery_body WHERE bytes <= $1::integer \
        ORDER BY delivery DESC LIMIT $2::bigint";
    SAMPLE_ENTRIES = "SELECT form, bytes, entry FROM entry WHERE bytes <= $1::integer \
        ORDER BY number DESC LIMIT $2::bigint";
    NEXT_DICTIONARY = "SELECT coalesce(max(dictionary), 1) + 1 FROM dictionary";
    PUT_DICTIONARY = "INSERT INTO dictionary (dictionary, kind, trained_on, content) \
        VALUES ($1::bigint, $2::integer, $3::bigint, $4::bytea)";
    DEAD_ROWS = "SELECT (100 * coalesce(sum(n_dead_tup), 0) / \
        greatest(coalesce(sum(n_live_tup + n_dead_tup), 0), 1))::bigint FROM pg_stat_user_tables";
    SCRUB_ITEMS = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item AS i \
         WHERE (i.person, i.kind, i.item, i.version) > ($1::bigint, $2::integer, $3::bigint, \
         $4::integer) AND i.person >= $1::bigint \
         ORDER BY i.person, i.kind, i.item, i.version LIMIT $5::bigint"
    );
    SCRUB_PAST = concat!(
        "SELECT ", item_columns!(), ", i.body FROM item_history AS i \
         WHERE (i.person, i.kind, i.item, i.version) > ($1::bigint, $2::integer, $3::bigint, \
         $4::integer) ORDER BY i.person, i.kind, i.item, i.version LIMIT $5::bigint"
    );
    SCRUB_DELIVERIES = "SELECT d.delivery, d.digest, b.form, b.bytes, b.body FROM delivery AS d \
        LEFT JOIN delivery_body AS b ON b.delivery = d.delivery \
        WHERE d.delivery >= $1::bigint ORDER BY d.delivery LIMIT $2::bigint";
    SCRUB_PEOPLE = "SELECT count(*) FROM person";
    SCRUB_COUNTS = "SELECT (SELECT count FROM tally WHERE name = 'items'), \
        (SELECT count FROM tally WHERE name = 'people'), \
        (SELECT coalesce(max(number), -1) + 1 FROM entry)";

    // The one writer's claim: held as long as its session lives.
    CLAIM = "SELECT pg_try_advisory_lock(4846228370018501)";
}
