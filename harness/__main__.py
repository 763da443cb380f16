"""`python -m harness` is `iot-farm`."""

from harness.cli.app import main

if __name__ == "__main__":
    main()
