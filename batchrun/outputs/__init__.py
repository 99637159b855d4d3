"""Values from outputs: JSON without loss of digits, and JMESPath expressions on it."""
