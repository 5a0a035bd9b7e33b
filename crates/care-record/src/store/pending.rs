//! A commit that was handed in: waited for by a thread, or awaited by a task.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Committed, StoreError};

type Answer = Result<Committed, StoreError>;

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

/// The answer to come. Dropped, the commit is made all the same.
#[must_use = "a commit is durable only when its answer says so"]
pub(crate) struct Pending(Arc<Slot>);

/// The writer's end. Dropped without a word, it answers [`StoreError::Closed`].
pub(super) struct Reply(Arc<Slot>);

/// Both ends.
pub(super) fn pending() -> (Reply, Pending) {
    let slot = Arc::new(Slot::default());
    (Reply(Arc::clone(&slot)), Pending(slot))
}

impl Reply {
    /// Answers; the first answer stands.
    pub fn send(&self, answer: Answer) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.answer.is_none() {
            state.answer = Some(answer);
            let waker = state.waker.take();
            drop(state);
            self.0.arrived.notify_one();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Without effect where an answer was sent and not yet taken; one that was taken needs no other.
        self.send(Err(StoreError::Closed));
    }
}

impl Pending {
    /// An answer that is there already.
    pub fn ready(answer: Answer) -> Self {
        let (reply, pending) = pending();
        reply.send(answer);
        pending
    }

    /// Waits for it on this thread.
    pub fn wait(self) -> Answer {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self
                .0
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Answer {
        Err(StoreError::DeliveryExists)
    }

    #[test]
    fn an_answer_reaches_a_thread_that_waits_and_a_task_that_awaits() {
        let (reply, waits) = pending();
        let (other, awaits) = pending();
        let sender = std::thread::spawn(move || {
            reply.send(done());
            other.send(done());
        });
        assert!(matches!(waits.wait(), Err(StoreError::DeliveryExists)));
        let answer = futures_executor::block_on(awaits);
        assert!(matches!(answer, Err(StoreError::DeliveryExists)));
        sender.join().expect("the sender ends");
    }

    #[test]
    fn a_writer_that_goes_away_answers_closed() {
        let (reply, waits) = pending();
        drop(reply);
        assert!(matches!(waits.wait(), Err(StoreError::Closed)));
        let ready = Pending::ready(done());
        assert!(matches!(ready.wait(), Err(StoreError::DeliveryExists)));
    }
}
