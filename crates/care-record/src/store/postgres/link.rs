//! One connection: its settings, its prepared statements, and waiting for its answers.
//!
//! The connection's own work runs on the engine's runtime; callers wait on their own thread, which
//! may be any thread, of an async runtime or not. No statement is built from values.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_executor::block_on;
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row, SimpleQueryMessage, Statement};

use super::address::Address;

/// A value to bind.
pub(super) type Value<'a> = &'a (dyn ToSql + Sync);
/// The answer to one statement of a pipeline.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<u64, Error>> + 'a>>;
/// The rows of one statement of several that are sent together.
type Rows<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + 'a>>;

/// How long a new connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The one writer.
    Write,
    /// Reads: the session refuses to write.
    Read,
}

/// Every statement here finds its rows by a key. A plan made while a table was small must not go on
/// reading the whole of it once it has grown, so whole-table plans are the last resort. Nor are workers
/// started: to start two takes longer than a search, and they start for the way that is not gone, too.
const SETTINGS: &str = "SET jit = off; SET max_parallel_workers_per_gather = 0; \
    SET enable_seqscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '60s'; SET DateStyle = 'ISO';";
/// And it is planned once a connection, not once a call: planning a search takes longer than most searches.
/// Not on a spread database: Citus chooses the machine while it plans, so it must know the values.
const PLANNED_ONCE: &str = "SELECT set_config('plan_cache_mode', 'force_generic_plan', false) \
    WHERE NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')";
const FOR_WRITING: &str = "SET statement_timeout = '120s'; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');";
const FOR_READING: &str = "SET statement_timeout = '30s'; SET default_transaction_read_only = on;";

/// Carries a connection's bytes until it ends.
async fn carry(connection: impl Future<Output = Result<(), Error>>) {
    // Whoever uses the client is told; here it is only written down.
    if let Err(error) = connection.await {
        tracing::warn!(%error, "a connection to PostgreSQL was lost");
    }
}

/// An open connection.
pub(super) struct Link {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Whether the database may be spread over several machines.
    is_spread: bool,
}

impl Link {
    /// Connects and sets the session up.
    pub fn open(runtime: &Handle, address: &Address, purpose: Use) -> Result<Self, Error> {
        let mut config = address.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.application_name("connect-care");
        let _inside = runtime.enter();
        let client = match &address.tls {
            None => {
                let (client, connection) = block_on(config.connect(NoTls))?;
                runtime.spawn(carry(connection));
                client
            }
            Some(tls) => {
                let (client, connection) = block_on(config.connect(tls.clone()))?;
                runtime.spawn(carry(connection));
                client
            }
        };
        let mut this = Self {
            client,
            statements: Mutex::default(),
            is_spread: false,
        };
        this.batch(SETTINGS)?;
        let was_set = block_on(this.client.simple_query(PLANNED_ONCE))?;
        this.is_spread = !was_set
            .iter()
            .any(|message| matches!(message, SimpleQueryMessage::Row(_)));
        this.batch(match purpose {
            Use::Write => FOR_WRITING,
            Use::Read => FOR_READING,
        })?;
        Ok(this)
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Of two statements with one meaning the one for a database on one machine, or on several.
    pub fn whole_or_spread(&self, whole: &'static str, spread: &'static str) -> &'static str {
        if self.is_spread { spread } else { whole }
    }

    /// What was prepared on it.
    #[cfg(test)]
    pub fn prepared(&self) -> Vec<&'static str> {
        let statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statements.keys().copied().collect()
    }

    /// The client, for migrations.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs statements without values.
    pub fn batch(&self, sql: &str) -> Result<(), Error> {
        block_on(self.client.batch_execute(sql))
    }

    /// Rows of one statement.
    pub fn query(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql)?;
        block_on(self.client.query(&statement, values))
    }

    /// Rows of one statement that is planned for these values: which of its conditions are asked differs
    /// so much that one plan for all would be wrong for most. For what is asked seldom.
    pub fn query_planned(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql)?;
        let asked: Vec<Rows<'_>> = vec![
            self.plain("BEGIN; SET LOCAL plan_cache_mode = force_custom_plan"),
            Box::pin(self.client.query(&statement, values)),
            // After a failed statement this ends the transaction all the same.
            self.plain("COMMIT"),
        ];
        let rows: Result<Vec<_>, Error> = block_on(in_order(asked)).into_iter().collect();
        Ok(rows?.into_iter().nth(1).unwrap_or_default())
    }

    /// A statement without values, as a step among others that are sent together.
    fn plain(&self, sql: &'static str) -> Rows<'_> {
        Box::pin(async move { self.client.batch_execute(sql).await.map(|()| Vec::new()) })
    }

    /// Runs one statement; gives the number of rows it changed.
    pub fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Error> {
        let statement = self.statement(sql)?;
        block_on(self.client.execute(&statement, values))
    }

    /// Rows of several statements that are sent together and see one state of the record.
    pub fn query_all<const N: usize>(
        &self,
        asked: [(&'static str, &[Value<'_>]); N],
    ) -> Result<[Vec<Row>; N], Error> {
        let asked = asked.map(|(sql, values)| (sql, values.to_vec()));
        let mut statements = Vec::with_capacity(N);
        for (sql, _) in &asked {
            statements.push(self.statement(sql)?);
        }
        let mut answers = vec![self.plain("BEGIN ISOLATION LEVEL REPEATABLE READ")];
        for ((_, values), statement) in asked.iter().zip(&statements) {
            answers.push(Box::pin(self.client.query(statement, values)));
        }
        // After a failed statement this ends the transaction all the same.
        answers.push(self.plain("COMMIT"));
        let rows: Result<Vec<_>, Error> = block_on(in_order(answers)).into_iter().collect();
        let mut rows = rows?.into_iter().skip(1);
        Ok(std::array::from_fn(|_| rows.next().unwrap_or_default()))
    }

    /// Rows of a list of statements that are sent together, each with its statement's text.
    pub fn query_list(
        &self,
        asked: &[(&'static str, Vec<Value<'_>>)],
    ) -> Result<Vec<(&'static str, Vec<Row>)>, Error> {
        let mut statements = Vec::with_capacity(asked.len());
        for (sql, _) in asked {
            statements.push(self.statement(sql)?);
        }
        let answers = asked
            .iter()
            .zip(&statements)
            .map(|((_, values), statement)| Box::pin(self.client.query(statement, values)));
        let rows = block_on(in_order(answers.collect()));
        let named = asked.iter().zip(rows);
        named.map(|((sql, _), rows)| Ok((*sql, rows?))).collect()
    }

    fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        let held = |statements: &Mutex<HashMap<_, Statement>>| {
            let statements = statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements.get(sql).cloned()
        };
        if let Some(statement) = held(&self.statements) {
            return Ok(statement);
        }
        let statement = block_on(self.client.prepare(sql))?;
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql, statement.clone());
        Ok(statement)
    }

    /// Begins a list of statements that will be sent together as one transaction.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Pipeline {
            link: self,
            steps: Vec::new(),
        }
    }
}

/// Statements with their values, sent together as one transaction.
pub(super) struct Pipeline<'a> {
    link: &'a Link,
    steps: Vec<(Statement, Vec<Box<dyn ToSql + Sync + 'a>>)>,
}

impl<'a> Pipeline<'a> {
    /// Adds a statement.
    pub fn add(
        &mut self,
        sql: &'static str,
        values: Vec<Box<dyn ToSql + Sync + 'a>>,
    ) -> Result<(), Error> {
        self.steps.push((self.link.statement(sql)?, values));
        Ok(())
    }

    /// Sends everything between BEGIN and COMMIT and waits until it is durable. On an error nothing
    /// of it was done, unless the connection was lost while the commit was on its way.
    pub fn commit(self) -> Result<(), Error> {
        let client = &self.link.client;
        let values: Vec<Vec<Value<'_>>> = self
            .steps
            .iter()
            .map(|(_, values)| values.iter().map(|value| &**value as Value<'_>).collect())
            .collect();
        let mut answers: Vec<Answer<'_>> = Vec::with_capacity(self.steps.len() + 2);
        let plain = |sql| -> Answer<'_> {
            Box::pin(async move { client.batch_execute(sql).await.map(|()| 0) })
        };
        answers.push(plain("BEGIN"));
        for ((statement, _), values) in self.steps.iter().zip(&values) {
            answers.push(Box::pin(client.execute(statement, values)));
        }
        // After a failed statement, PostgreSQL takes this for a rollback and says nothing: so every
        // answer is looked at, and the first error stands for the whole.
        answers.push(plain("COMMIT"));
        let mut first = Ok(());
        for answer in block_on(in_order(answers)) {
            if let (Ok(()), Err(error)) = (&first, answer) {
                first = Err(error);
            }
        }
        first
    }
}

/// Starts each future once, in order, so that all are on the wire together; then waits for each.
async fn in_order<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut early: Vec<Option<F::Output>> = Vec::with_capacity(futures.len());
    std::future::poll_fn(|context| {
        for future in &mut futures {
            early.push(match Pin::new(future).poll(context) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            });
        }
        Poll::Ready(())
    })
    .await;
    let mut done = Vec::with_capacity(futures.len());
    for (future, early) in futures.into_iter().zip(early) {
        done.push(match early {
            Some(value) => value,
            None => future.await,
        });
    }
    done
}
