//! The API as a product meets it: a real engine on a loopback port, with providers that follow a
//! script, asked over HTTP; its calls come from a carrier, its messages go to a server of the
//! product's. In real time, so nothing here asserts on time; what is waited for is an event.

mod calls;
mod chats;
mod credentials;
mod files;
mod fixtures;
mod handoffs;
mod keys;
mod kill;
mod logs;
mod numbers;
mod openapi;
mod outbound;
mod receiver;
mod requests;
mod resources;
mod restart;
mod squads;
mod stage;
mod telemetry;
mod telephone;
mod tools;
mod transfers;
mod twilio;
mod webhooks;
mod websocket;
