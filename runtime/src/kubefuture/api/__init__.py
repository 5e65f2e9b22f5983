"""What people call: plan, map, imap, future, value and their options."""
