//! What holds after every input. Debug builds check it each time; so do all tests.

use super::Floor;
use super::agenda::MOST_ORDERS;
use crate::reply::Reply;
use crate::state::State;

impl Floor {
    /// Whether the Floor is sound.
    ///
    /// # Errors
    ///
    /// The invariant that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let timeout = self.poll_timeout().map(|(at, _)| at);
        require(timeout.is_none_or(|at| at > self.now), "no timeout is in the past")?;
        // One more may have been taken back unheard.
        require(self.orders.len() <= MOST_ORDERS + 1, "orders that wait are bounded")?;
        let voicing = self.caller.voicing().is_some();
        match &self.state {
            State::Listening => {
                require(!voicing, "a caller who speaks is not listened for")?;
                let ready = self.connected && self.cut.is_none() && self.now >= self.backoff_until;
                require(!(ready && self.has_something_to_say()), "what is due is said")?;
            }
            State::Hearing => require(voicing, "a caller who is heard speaks")?,
            State::Settling(settling) => {
                require(!voicing, "silence runs only in silence")?;
                require(settling.draft.as_ref().is_none_or(Reply::is_draft), "a draft is one")?;
            }
            State::Thinking(thinking) => {
                let reply = &thinking.reply;
                require(!reply.audible, "what is heard is no longer thought about")?;
                require(reply.committed != thinking.release.is_some(), "release commits")?;
                require(!reply.is_over(), "a reply that is over is concluded")?;
            }
            State::Speaking(speaking) => {
                let reply = &speaking.reply;
                require(reply.audible && reply.committed, "only committed replies are heard")?;
                require(!reply.is_over(), "a reply that is over is concluded")?;
            }
            State::Yielding(yielding) => {
                let reply = &yielding.reply;
                require(reply.audible && reply.committed, "only what is heard is held")?;
                require(
                    yielding.held.is_none() || yielding.resume.is_none(),
                    "a resume waits for nothing but the playhead",
                )?;
            }
            State::Closing(closing) => {
                let done = closing.farewell.is_none()
                    && !closing.awaits_machine()
                    && self.toolbox.is_idle();
                require(!done, "a call with nothing left is hung up")?;
            }
            State::Closed(_) => require(timeout.is_none(), "a closed call waits for nothing")?,
        }
        let live = self.state.reply().map(Reply::turn);
        require(
            self.cut.as_ref().is_none_or(|cut| Some(cut.turn()) != live),
            "a cancelled reply is not live",
        )
    }
}

const fn require(holds: bool, invariant: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(invariant) }
}
