//! The whole service, as a process: what its users and operators do with it, and what must hold when it is killed.

mod batches;
mod command_line;
mod crash;
mod faults;
mod first_steps;
mod help;
mod jobs_command;
mod keys;
mod limits;
mod log;
mod mail;
mod mail_kills;
mod nodes;
mod pages;
mod reports;
mod results;
mod roles;
mod rolling;
mod sandbox;
mod schedules;
mod settings;
mod shutdown;
mod supervision;
mod supervisors;
mod suspension;
mod uncertain;
