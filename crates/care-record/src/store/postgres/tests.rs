//! The engine suite on PostgreSQL, and what only PostgreSQL can be asked.

use super::cluster::Cluster;
use super::*;
use crate::store::suite::{self, Engine, commit_of, everything, put};
use crate::store::{Change, Put};

impl Engine for PostgresStore {
    fn headers_by(&self, person: PersonId, filter: &Filter) -> Vec<Header> {
        let parts = self.parts(person);
        self.read(|link| read_items::headers(link, &parts, filter))
            .expect("read")
    }

    fn bodies_by(
        &self,
        person: PersonId,
        filter: &Filter,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_items::bodies(link, &self.codec, &parts, filter, wanted))
    }

    fn version_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Option<StoredBody> {
        let parts = self.parts(person);
        self.read(|link| read_items::version(link, &self.codec, &parts, filter, item, version))
            .expect("read")
    }

    fn history_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
    ) -> Vec<Header> {
        let parts = self.parts(person);
        self.read(|link| read_items::history(link, &parts, filter, item))
            .expect("read")
    }

    fn activity_by(&self, person: PersonId, filter: &Filter) -> Vec<SourceActivity> {
        let parts = self.parts(person);
        self.read(|link| read_items::source_activity(link, Some((&parts, filter))))
            .expect("read")
    }
}

fn open() -> Option<(Cluster, PostgresStore)> {
    let cluster = Cluster::start()?;
    let store = PostgresStore::open(&cluster.address(), 8).expect("opens");
    Some((cluster, store))
}

suite::engine_suite!(match open() {
    Some((cluster, store)) => (cluster, store),
    None => return,
});
