"""What a code is. A bottleneck turns encoder features h into the code z and says what else is then known of it."""
