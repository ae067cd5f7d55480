"""What scripts/fuzz_folders.py is made of: runs, what is done to them, and who watches."""
