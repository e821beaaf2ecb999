"""What things are: values and rules, without a clock, a wire or a database."""
