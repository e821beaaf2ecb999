"""The outside world, one room per outside thing; the rooms are strangers to each other."""
