"""What a code is: a bottleneck maps encoder features h to the code z and says what else is known of it."""
