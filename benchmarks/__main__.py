"""``python -m benchmarks [NAME …]``: measure, print a table, write build/benchmarks.json."""

from benchmarks.runner import main

if __name__ == "__main__":
    main()
