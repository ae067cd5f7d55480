"""Where samples are: in memory, mapped from files, in the user's folders."""
