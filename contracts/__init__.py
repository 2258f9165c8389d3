"""What travels between the parts: records, their wire form, addresses, and the errors they share."""
