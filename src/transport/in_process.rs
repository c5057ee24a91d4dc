//! A service in the process, in place of a connection: for unit tests with very many requests.

use std::cell::{Cell, RefCell};

use reqwest::{Body, Request};

type Service = Box<dyn FnMut(&Request) -> (u16, String)>;

thread_local! {
    static SERVICE: RefCell<Option<Service>> = const { RefCell::new(None) };
    static REORDERED: Cell<bool> = const { Cell::new(false) };
    static REQUESTS: Cell<usize> = const { Cell::new(0) };
}

/// Serves all requests of this thread by a function.
pub(crate) fn serve(service: impl FnMut(&Request) -> (u16, String) + 'static) {
    SERVICE.set(Some(Box::new(service)));
}

/// Sets whether every other response takes longer. The next request is the first one.
pub(crate) fn reorder(reordered: bool) {
    REORDERED.set(reordered);
    REQUESTS.set(0);
}

/// The response, if a function serves this thread.
pub(crate) async fn respond(request: &Request) -> Option<http::Response<Body>> {
    if SERVICE.with_borrow(Option::is_none) {
        return None;
    }
    let number = REQUESTS.replace(REQUESTS.get() + 1);
    if REORDERED.get() && number.is_multiple_of(2) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
    let (status, body) = SERVICE.with_borrow_mut(|service| service.as_mut().map(|serve| serve(request)))?;
    http::Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("openstack-api-version", "volume 3.0")
        .body(body.into())
        .ok()
}
