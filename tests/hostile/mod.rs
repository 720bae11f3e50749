//! The running service, asked by those who wish it ill: over TCP, as a process of its own, as any stranger could.
//!
//! What single routes refuse is tested beside them, in `src/api/tests`; here is what takes a real connection, a real clock or the
//! whole service at once. What no test says: that another's ids answer 404 on every route (`src/api/tests/openapi/matrix`).

mod addresses;
mod bodies;
mod description;
mod enumeration;
mod forgery;
mod framing;
mod headers;
mod people;
mod slowness;
mod timing;
mod tokens;
mod wire;
