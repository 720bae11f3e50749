//! One address and its methods.
//!
//! Guarantees: a method that an address does not have is answered with 405 and an `Allow` that names those it has; `HEAD` is
//! answered wherever `GET` is (RFC 9110, 9.1), by the same handler, without the body; but for streams, which have no end.
//! What an API key needs for a method stands beside it ([`Endpoint::takes`]); a method that names no scope is for logins alone.

use std::collections::HashMap;

use actix_web::dev::{AppService, HttpServiceFactory, ServiceRequest};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use super::Problem;
use crate::domain::scope::Scope;

/// The scopes that the methods of one address take.
#[derive(Clone, Debug, Default)]
struct MethodScopes(Vec<(Method, Scope)>);

impl MethodScopes {
    fn of(&self, method: &Method) -> Option<Scope> {
        let mut all = self.0.iter();
        all.find_map(|(other, scope)| (other == method).then_some(*scope))
    }
}

/// Marks an address whose bodies may be as large as a mail.
pub(super) struct TakesMails;

/// The scope that an API key needs for what `request` asks; none where no key will do.
#[must_use]
pub fn scope_of(request: &HttpRequest) -> Option<Scope> {
    request.app_data::<MethodScopes>()?.of(request.method())
}

/// An address with its handlers, to be given to `App::service` or `ServiceConfig::service`.
#[must_use = "an endpoint answers only once it is registered"]
pub struct Endpoint {
    pattern: String,
    resource: Resource,
    allow: Vec<Method>,
    takes: Option<Scope>,
    scopes: MethodScopes,
}

impl Endpoint {
    /// The address `pattern`, such as `/v1/jobs/{id}`, without methods yet.
    pub fn at(pattern: &str) -> Self {
        Self {
            pattern: pattern.into(),
            resource: web::resource(pattern),
            allow: Vec::new(),
            takes: None,
            scopes: MethodScopes::default(),
        }
    }

    /// Lets API keys with `scope` use the methods that are named after this.
    pub fn takes(mut self, scope: Scope) -> Self {
        self.takes = Some(scope);
        self
    }

    /// What an API key needs for `method`; none where no key will do, or none is asked for.
    #[must_use]
    pub fn scope(&self, method: &Method) -> Option<Scope> {
        self.scopes.of(method)
    }

    /// Lets bodies be as large as a mail with its files ([`super::Limits::mail_body_bytes`]).
    pub fn takes_mails(mut self) -> Self {
        self.resource = self.resource.app_data(TakesMails);
        self
    }

    /// The address.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The methods that it has, in the order in which `Allow` names them.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.allow
    }

    /// Answers `GET` and `HEAD` with `handler`.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::GET, handler.clone()).method(Method::HEAD, handler)
    }

    /// Answers `GET`, and not `HEAD`, with `handler`, whose answer is a stream: its body would be written all the same.
    pub fn stream<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::GET, handler)
    }

    /// Answers `POST` with `handler`.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::POST, handler)
    }

    /// Answers `PUT` with `handler`.
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::PUT, handler)
    }

    /// Answers `PATCH` with `handler`.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::PATCH, handler)
    }

    /// Answers `DELETE` with `handler`.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::DELETE, handler)
    }

    fn method<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::method(method.clone()).to(handler));
        self.scopes.0.extend(self.takes.map(|scope| (method.clone(), scope)));
        self.allow.push(method);
        self
    }
}

/// The endpoints of an application, which can be looked at before they are registered.
#[derive(Default)]
#[must_use = "endpoints answer only once they are registered"]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// The same endpoints and one more.
    pub fn service(mut self, endpoint: Endpoint) -> Self {
        self.0.push(endpoint);
        self
    }
}

impl IntoIterator for Endpoints {
    type Item = Endpoint;
    type IntoIter = std::vec::IntoIter<Endpoint>;

    /// The endpoints, in the order in which they are asked.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The methods of every address, for middleware that must not refuse for another reason what will be refused as 404 or 405.
#[derive(Default)]
pub struct Routed(HashMap<String, Vec<Method>>);

impl Routed {
    /// Whether some handler is there for `request`.
    #[must_use]
    pub fn has(&self, request: &ServiceRequest) -> bool {
        let methods = request.match_pattern().and_then(|pattern| self.0.get(&pattern));
        methods.is_some_and(|methods| methods.contains(request.method()))
    }
}

impl<'a> FromIterator<&'a Endpoint> for Routed {
    fn from_iter<T: IntoIterator<Item = &'a Endpoint>>(endpoints: T) -> Self {
        let methods = endpoints.into_iter();
        Self(methods.map(|one| (one.pattern.clone(), one.allow.clone())).collect())
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let refused = Problem::method_not_allowed(&self.allow);
        let refuse = move || std::future::ready(Err::<HttpResponse, Problem>(refused.clone()));
        let resource = self.resource.app_data(self.scopes);
        resource.default_service(web::to(refuse)).register(config);
    }
}
