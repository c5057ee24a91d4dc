//! One page: an attempt, its retries, its token, and what a failed response states. Nothing here knows of
//! the pages before and after it.

pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod fault;
pub(crate) mod hooks;
pub(crate) mod retry;
pub(crate) mod runtime;
pub(crate) mod signals;
pub(crate) mod token_cache;

pub(crate) use exchange::{Outcome, PageRequest, Response, Settings, Transport};
pub(crate) use hooks::{RequestContext, decode};
pub(crate) use retry::RetryPolicy;
pub(crate) use runtime::Spawned;
pub(crate) use token_cache::KeepFresh;
