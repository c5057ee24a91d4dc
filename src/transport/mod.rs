//! One page or object: its attempts, its token, the fault of a failed response. Nothing here knows of the pages before
//! and after it.

pub(crate) mod begun;
pub(crate) mod call;
pub(crate) mod endpoint;
pub(crate) mod fault;
pub(crate) mod hooks;
pub(crate) mod http;
#[cfg(test)]
pub(crate) mod in_process;
pub(crate) mod operation;
pub(crate) mod plain_text;
pub(crate) mod retry;
pub(crate) mod retry_after;
pub(crate) mod runtime;
pub(crate) mod secrets;
pub(crate) mod service;
pub(crate) mod signals;
pub(crate) mod token_cache;

pub(crate) use begun::Begun;
pub(crate) use hooks::{RequestContext, Server, decode};
pub(crate) use operation::{Get, OfContract, Row};
#[cfg(feature = "keystone")]
pub(crate) use operation::{Operation, Route};
pub(crate) use retry::RetryPolicy;
pub(crate) use runtime::Spawned;
pub(crate) use service::{Outcome, Request, Settings, Transport};
