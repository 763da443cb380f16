"""List the CUDA devices of this machine as `key: value` lines, an empty line after each device.

Asks the driver's own library (libcuda), so that it works on a Jetson, which has no nvidia-smi, as well as on a
PC, and needs no compiler. No driver or no device: nothing is printed, which CK reports as "no devices".
"""

import ctypes
import sys

CLOCK_KHZ, MULTIPROCESSORS, MEMORY_CLOCK_KHZ, CAPABILITY_MAJOR, CAPABILITY_MINOR = 13, 16, 36, 75, 76
# What the table of CK 2.6.4's module platform.gpgpu ends with; a newer device makes CK stop with an error.
NEWEST_IN_CK = (8, 6)


def main():
    """Print the devices."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    count, driver = ctypes.c_int(0), ctypes.c_int(0)
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return
    cuda.cuDriverGetVersion(ctypes.byref(driver))
    for number in range(count.value):
        handle = ctypes.c_int(0)
        if cuda.cuDeviceGet(ctypes.byref(handle), number) == 0:
            describe(cuda, number, handle, driver.value)


def describe(cuda, number, handle, driver):
    """Print one device."""
    name = ctypes.create_string_buffer(256)
    memory = ctypes.c_size_t(0)
    cuda.cuDeviceGetName(name, len(name), handle)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    capability = (attribute(cuda, CAPABILITY_MAJOR, handle), attribute(cuda, CAPABILITY_MINOR, handle))
    lines = {
        "GPU Device ID": number,
        "GPU Name": name.value.decode("utf-8", "replace"),
        "GPU compute capability": "%d.%d" % capability,
        "CUDA driver version": "%d.%d" % (driver // 1000, driver % 1000 // 10),
        "Global memory (bytes)": memory.value,
        "Multiprocessors": attribute(cuda, MULTIPROCESSORS, handle),
        "Max clock rate (kHz)": attribute(cuda, CLOCK_KHZ, handle),
        "Max memory clock rate (kHz)": attribute(cuda, MEMORY_CLOCK_KHZ, handle),
    }
    for key, value in lines.items():
        print("%s: %s" % (key, value))
    print()
    if capability > NEWEST_IN_CK:
        sys.stderr.write(
            "note: the table in CK 2.6.4 ends at compute capability %d.%d and refuses %d.%d; "
            "the -single-device-gpu keys do not depend on it\n" % (*NEWEST_IN_CK, *capability)
        )


def attribute(cuda, which, handle):
    """One attribute of a device, as the driver numbers them."""
    value = ctypes.c_int(0)
    cuda.cuDeviceGetAttribute(ctypes.byref(value), which, handle)
    return value.value


if __name__ == "__main__":
    main()
