"""Connections to what lies outside: the profile, Kafka, the warehouse."""
